//! What a text of the payload may look like before it becomes a part of a request.

use executor_api::{ExecutorError, is_label, is_loopback, is_subdomain};
use url::Url;

/// A line that somebody typed: not empty, no control characters, and never an option.
pub(crate) fn check_line(pointer: &str, text: &str, most: usize) -> Result<(), ExecutorError> {
    if (1..=most).contains(&text.len()) && !text.starts_with('-') && !text.contains(char::is_control) {
        return Ok(());
    }
    let why = format!("give 1 to {most} bytes without control characters, and no '-' at the beginning");
    Err(ExecutorError::invalid(pointer, why))
}

/// A secret of one line.
pub(crate) fn check_secret(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    if (1..=16 * 1024).contains(&text.len()) && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(ExecutorError::invalid(pointer, "give 1 to 16384 bytes without control characters"))
}

/// The name of an object of Argo CD.
pub(crate) fn check_name(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    if is_subdomain(text) {
        return Ok(());
    }
    let why = "give 1 to 253 lower-case letters, digits, '-' and '.'; it begins and ends with a letter or a digit";
    Err(ExecutorError::invalid(pointer, why))
}

/// The name of a namespace.
pub(crate) fn check_namespace(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    if is_label(text) {
        return Ok(());
    }
    let why = "give 1 to 63 lower-case letters, digits and '-'; it begins and ends with a letter or a digit";
    Err(ExecutorError::invalid(pointer, why))
}

/// A path inside a repository or a source.
pub(crate) fn check_path(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    check_line(pointer, text, 1024)?;
    let leaves = text.starts_with('/') || text.contains('\\') || text.split('/').any(|part| part == "..");
    if leaves {
        Err(ExecutorError::invalid(pointer, "give a relative path without '..' and backslashes"))
    } else {
        Ok(())
    }
}

/// Where Argo CD finds a repository. True if nobody on the way there can read what is sent.
pub(crate) fn check_repository_url(pointer: &str, text: &str) -> Result<bool, ExecutorError> {
    check_line(pointer, text, 2048)?;
    let refuse = |why: &str| Err(ExecutorError::invalid(pointer, why));
    if text.contains(|c: char| c.is_whitespace() || c == '\\') {
        return refuse("a URL has no white space and no backslashes");
    }
    let Ok(url) = Url::parse(text) else { return check_other_url(pointer, text).map(|()| true) };
    if url.password().is_some() || (url.scheme() != "ssh" && !url.username().is_empty()) {
        return refuse("a URL must not hold a user or a password; give `username` and `password` to the action repo");
    }
    // Parsers disagree about what other forms mean.
    let after_scheme = &text[url.scheme().len()..];
    let names_a_host = url.has_host() && after_scheme.starts_with("://") && !after_scheme.starts_with(":///");
    match url.scheme() {
        "https" | "ssh" | "oci" if names_a_host => Ok(true),
        "http" if names_a_host => Ok(is_loopback(url.host().as_ref())),
        _ => refuse("give https://host/path, ssh://git@host/path, git@host:path, or oci://host/path"),
    }
}

/// `git@host:path`, or a registry without a scheme, as Argo CD writes it.
fn check_other_url(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    let host = text.split(['/', ':']).next().unwrap_or_default();
    let host = host.split_once('@').map_or(host, |(_, host)| host);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    let is_url = text.contains("://") || text.contains("::");
    if !host.is_empty() && host.bytes().all(fits) && !host.starts_with('-') && !is_url {
        return Ok(());
    }
    Err(ExecutorError::invalid(
        pointer,
        "give https://host/path, ssh://git@host/path, git@host:path, or oci://host/path",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_hosts_and_never_options_or_files() {
        for bad in [
            "",
            "-u",
            "--upload-pack=sh",
            "ext::sh -c id",
            "ext::sh",
            "file:///etc",
            "/etc/passwd",
            "a b",
            "https://",
            "https:///x",
            "https://u:p@h/x",
            "https://u@h/x",
            "a\\b",
            "git@-oProxyCommand=x:y",
            "data:text/plain,x",
            "javascript:1",
            "h\n",
        ] {
            assert!(check_repository_url("/x", bad).is_err(), "{bad:?}");
        }
        for (good, is_private) in [
            ("https://git.example/a/b.git", true),
            ("ssh://git@git.example:22/a", true),
            ("git@git.example:a/b.git", true),
            ("oci://registry.example/charts", true),
            ("registry.example/charts", true),
            ("http://git.example/a", false),
            ("http://127.0.0.1:8080/a", true),
            ("http://[::1]/a", true),
        ] {
            assert_eq!(check_repository_url("/x", good).unwrap(), is_private, "{good:?}");
        }
    }

    #[test]
    fn names_and_paths() {
        for bad in ["", "-n", "A", "a/b", "a\0", "a.", "a..b", "$(id)", &"a".repeat(254)] {
            assert!(check_name("/x", bad).is_err(), "{bad:?}");
            assert!(check_namespace("/x", bad).is_err(), "{bad:?}");
        }
        assert!(check_name("/x", "web.eu-1").is_ok() && check_namespace("/x", "web.eu").is_err());
        for bad in ["", "/a", "..", "a/../b", "-x", "a\\b", "a\nb"] {
            assert!(check_path("/x", bad).is_err(), "{bad:?}");
        }
    }
}
