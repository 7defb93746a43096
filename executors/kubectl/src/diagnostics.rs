//! What kubectl says when it fails, as short as a person wants it, and what to do about it.

const MOST_LINES: usize = 30;
const LONGEST_LINE: usize = 2000;

/// Its error lines, and a hint where we know one.
pub(crate) fn explain(stderr: &str, server: &str) -> String {
    let mut lines: Vec<String> = stderr
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !is_noise(line))
        .map(|line| line.chars().take(LONGEST_LINE).collect())
        .collect();
    let surplus = lines.len().saturating_sub(MOST_LINES);
    lines.drain(..surplus);
    lines.extend(hint(stderr, server));
    lines.join("\n")
}

/// Kubectl's own log (`E1124 15:39:13.017451   345 memcache.go:265] ...`), and what is no error.
fn is_noise(line: &str) -> bool {
    let is_klog = line.strip_prefix(['E', 'W', 'I']).is_some_and(|rest| {
        rest.len() > 4 && rest.as_bytes()[..4].iter().all(u8::is_ascii_digit) && rest.as_bytes()[4] == b' '
    });
    is_klog || line.starts_with("Warning: ")
}

fn hint(stderr: &str, server: &str) -> Option<String> {
    let said = |signs: &[&str]| signs.iter().any(|sign| stderr.contains(sign));
    if said(UNREACHABLE) {
        return Some(format!("the API server at {server} cannot be reached from this runner"));
    }
    let hint = if said(&["You must be logged in to the server", "(Unauthorized)"]) {
        "the API server does not take the credentials of the kubeconfig; they may have run out"
    } else if said(&["x509: "]) {
        "the API server's certificate is not of the certificate-authority-data in the kubeconfig"
    } else if said(&["no matches for kind"]) {
        "the cluster does not know this kind yet: apply its CustomResourceDefinition first, in a job of its own"
    } else if said(&["does not match the namespace"]) {
        "leave `namespace` out, or the namespace in the manifest"
    } else if said(&["is forbidden: User"]) {
        "the user of the kubeconfig may not do this; its administrator can grant it"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

const UNREACHABLE: &[&str] = &[
    "Unable to connect to the server",
    "connection refused",
    "no route to host",
    "no such host",
    "i/o timeout",
    "TLS handshake timeout",
    "Client.Timeout exceeded",
    "request canceled while waiting for connection",
    "connection reset by peer",
    "network is unreachable",
];

/// Whether a look failed for a reason that an apply of the same objects need not fail for: one may change what one may
/// not read, and a kind may come into being with the apply itself.
pub(crate) fn is_blind(stderr: &str) -> bool {
    stderr.contains("(Forbidden)") || stderr.contains("no matches for kind") || stderr.contains("(NotFound)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_and_noise_is_not() {
        let text = "E1124 15:39:13.017451    3408 memcache.go:265] \"Unhandled Error\" err=\"x\"\nWarning: odd\n\
                    error: You must be logged in to the server (Unauthorized)\n";
        assert_eq!(
            explain(text, "https://a"),
            "error: You must be logged in to the server (Unauthorized)\n\
             the API server does not take the credentials of the kubeconfig; they may have run out"
        );
        assert_eq!(explain("Error 1234 of mine\n", "https://a"), "Error 1234 of mine");
        let refused = explain("Unable to connect to the server: dial tcp: lookup a: no such host\n", "https://a");
        assert!(refused.ends_with("the API server at https://a cannot be reached from this runner"), "{refused}");
        assert!(explain(&"x".repeat(100_000), "").len() <= LONGEST_LINE);
        assert_eq!(explain(&"x\n".repeat(1000), "").lines().count(), MOST_LINES);
    }
}
