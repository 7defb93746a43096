//! What helm says when it fails: the part that a person wants, and whether trying again can help.

use executor_api::goes_away_by_itself;

const MOST_LINES: usize = 30;

/// Its error, and what to do about it where we know.
pub(crate) fn explain(stderr: &str) -> String {
    let error = error(stderr);
    match hint(stderr) {
        Some(hint) => format!("{error}\n{hint}"),
        None => error,
    }
}

/// From `Error: ` on; the last line if helm did not come to that.
fn error(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim_end).collect();
    match lines.iter().rposition(|line| line.starts_with("Error: ")) {
        Some(at) => lines[at..].iter().take(MOST_LINES).copied().collect::<Vec<_>>().join("\n").trim_end().to_owned(),
        None => lines.iter().rfind(|line| !line.is_empty()).copied().unwrap_or_default().to_owned(),
    }
}

fn hint(stderr: &str) -> Option<&'static str> {
    let hints: [(&[&str], &str); 8] = [
        (
            &["Kubernetes cluster unreachable"],
            "the runner cannot reach the cluster, or the cluster does not know the job",
        ),
        (&["another operation (install/upgrade/rollback) is in progress"], "somebody else works on it; try later"),
        (&["has no deployed releases"], "no revision of it was ever deployed; uninstall it first"),
        (&["invalid ownership metadata"], "these objects are not this release's; remove them, or choose other names"),
        (&["namespaces \"", "not found"], "`create_namespace` makes the namespace"),
        (&["context deadline exceeded"], NOT_READY),
        (&["timed out waiting for the condition"], NOT_READY),
        (&["values don't meet the specifications of the schema"], "correct `values` as the chart's schema says"),
    ];
    hints.iter().find(|(signs, _)| signs.iter().all(|sign| stderr.contains(sign))).map(|(_, hint)| *hint)
}

const NOT_READY: &str = "not all was ready within `timeout`";

/// What goes away by itself: the network, and servers that are busy or change their leader.
pub(crate) fn is_transient(stderr: &str) -> bool {
    // What `atomic` has undone looks like nothing, but its hooks ran.
    if stderr.contains("due to atomic being set") {
        return false;
    }
    // Of repositories and registries.
    const SIGNS: [&str; 10] = [
        "too many requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "status code 429",
        "status code 500",
        "status code 502",
        "status code 503",
        "status code 504",
    ];
    goes_away_by_itself(stderr) || SIGNS.iter().any(|sign| stderr.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_kept_without_what_led_to_it() {
        let text = "WARNING: This chart is deprecated\nI1124 12:00:00 helm.go:86\nError: UPGRADE FAILED: a\n\tb  \n\n";
        assert_eq!(explain(text), "Error: UPGRADE FAILED: a\n\tb");
        assert_eq!(explain("Killed\n\n"), "Killed");
        assert_eq!(explain(""), "");
        let text = explain("Error: Kubernetes cluster unreachable: Get \"https://x\": dial tcp: no route to host");
        assert!(text.ends_with("or the cluster does not know the job"), "{text}");
    }

    #[test]
    fn only_what_goes_away_is_transient() {
        for text in [
            "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused",
            "Error: failed to fetch https://x/index.yaml : 503 Service Unavailable",
            "Error: GET \"https://x/v2/a/manifests/1\": response status code 502: Bad Gateway",
            "Error: etcdserver: leader changed",
            "Error: query: failed to query with labels: the server is currently unable to handle the request (get secrets)",
        ] {
            assert!(is_transient(text), "{text}");
        }
        for text in [
            "Error: UPGRADE FAILED: context deadline exceeded",
            "Error: chart \"x\" version \"9\" not found in https://x repository",
            "Error: failed to fetch https://x/index.yaml : 401 Unauthorized",
            "Error: INSTALLATION FAILED: timed out waiting for the condition",
            "Error: release web failed, and has been uninstalled due to atomic being set: connection refused",
        ] {
            assert!(!is_transient(text), "{text}");
        }
    }
}
