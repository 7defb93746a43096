//! Names as DNS and Kubernetes spell them: none of them can be read as an option or as a list.

/// A namespace, or a part of a domain's name.
#[must_use]
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

/// The name of an object of Kubernetes: parts with dots between them, each as long as it likes.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_an_option_or_a_list_is_a_name() {
        let options = ["-n", "--kubeconfig=/x", "@a", "{a}", "$(id)"];
        for bad in
            ["", "a-", "a/b", "a,b", "a b", "A", "a\n", "a\nb", "a\0", "a_b", "ä", "a=b"].into_iter().chain(options)
        {
            assert!(!is_label(bad) && !is_subdomain(bad) && !is_subdomain(&format!("a.{bad}")), "{bad:?}");
        }
        assert!(is_label("team-a") && is_label("0") && is_subdomain("a.b-1.c"));
        assert!(!is_label("a.b") && !is_subdomain("a..b") && !is_subdomain("a."));
    }

    #[test]
    fn a_label_has_63_bytes_and_a_whole_name_253() {
        assert!(is_label(&"a".repeat(63)) && !is_label(&"a".repeat(64)));
        assert!(is_subdomain(&"a".repeat(253)) && !is_subdomain(&"a".repeat(254)));
    }
}
