//! Which words of Kubernetes are taken from strangers: none of them can be read as an option or as a list.

/// A kind as kubectl takes it: `deployment`, `deploy`, `deployments.apps`, `applications.v1alpha1.argoproj.io`.
pub(crate) fn is_kind(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    (1..=253).contains(&text.len()) && text.bytes().all(inside) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The name of an object. Roles have colons.
pub(crate) fn is_name(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    (1..=253).contains(&text.len()) && text.bytes().all(inside) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A selector of labels: `app=web`, `tier in (a, b)`, `!canary`.
pub(crate) fn is_selector(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-._/=!, ()".contains(&b);
    (1..=1024).contains(&text.len())
        && text.bytes().all(inside)
        && text.contains(|c: char| c.is_ascii_alphanumeric())
        && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_kubernetes_are_taken() {
        let long = "a".repeat(100_000);
        for bad in ["", "-n", "--kubeconfig=/x", "a b", "a\nb", "a\0", "@a", "{a}", "$(id)", "a,b", "ä", "a/b", &long]
        {
            assert!(!is_kind(bad) && !is_name(bad), "{bad:?}");
        }
        for bad in ["", "-l", "a\n", "$(id)", "@a", "{a}", ",", "a;b", &long] {
            assert!(!is_selector(bad), "{bad:?}");
        }
        assert!(is_kind("deployments.v1.apps") && is_name("system:node.x_Y"));
        assert!(is_selector("app.kubernetes.io/name=web, tier in (a, b), !canary"));
    }
}
