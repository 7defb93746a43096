//! What Argo CD's program says when it fails, and what its exits mean. Seen with argocd 3.2.

use executor_api::{ExecutorError, Finished};
use serde::Deserialize;

use crate::failure::{Failure, is_about_certificates, looks_transient};

/// One line of its log.
#[derive(Deserialize)]
struct Line {
    level: String,
    msg: String,
}

/// A program that ended with 0 did what it was asked to; all else is a failure, and its text says of which sort.
pub(crate) fn judge(verb: &str, finished: &Finished) -> Result<(), Failure> {
    if finished.exit.is_success() {
        return Ok(());
    }
    let said = error_text(&finished.stderr_tail);
    let (code, text) = status(&said);
    let failed = |message: String| ExecutorError::ToolFailed {
        tool: format!("argocd {verb}"),
        exit: finished.exit.clone(),
        message,
    };
    Err(sort(code, text, failed))
}

/// The same answer means the same, whichever way it came.
pub(crate) fn sort(code: &str, text: &str, failed: impl Fn(String) -> ExecutorError) -> Failure {
    match code {
        "Unauthenticated" => Failure::Final(ExecutorError::invalid("/auth", refused(text))),
        "PermissionDenied" | "NotFound" => {
            let hint = "there is no such thing, or the account may not do this";
            Failure::Missing(failed(format!("{text}: {hint}")))
        }
        "FailedPrecondition" if text.contains("another operation is already in progress") => {
            Failure::Busy(failed(text.to_owned()))
        }
        "Unavailable" | "ResourceExhausted" | "Aborted" | "DeadlineExceeded" if !is_about_certificates(text) => {
            Failure::Transient(failed(format!("{text}{}", hint(text))))
        }
        // It was heard and understood; what it says of others is no matter of the network.
        "InvalidArgument" | "FailedPrecondition" | "AlreadyExists" | "OutOfRange" | "Unimplemented" => {
            Failure::Final(failed(text.to_owned()))
        }
        _ if looks_transient(text) => Failure::Transient(failed(format!("{text}{}", hint(text)))),
        _ => Failure::Final(failed(format!("{text}{}", hint(text)))),
    }
}

fn refused(text: &str) -> String {
    let text = text.trim_start_matches("invalid session: ");
    format!("Argo CD does not know us: {text}; is the token one of this server's, and not expired?")
}

fn hint(text: &str) -> &'static str {
    if text.contains("x509:") {
        return "\ngive the certificate of the server's authority in `tls.ca_certificate`";
    }
    if text.contains("first record does not look like a TLS handshake") {
        return "\nthe server speaks no TLS there; is the port right?";
    }
    if text.contains("connection refused") || text.contains("no such host") || text.contains("i/o timeout") {
        return "\nthe runner cannot reach /server; is the address right, and Argo CD up?";
    }
    ""
}

/// Its last word: the last line of its log that is an error, else the last line.
fn error_text(stderr: &str) -> String {
    let logged = stderr.lines().rev().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let error = logged.into_iter().find(|line| matches!(line.level.as_str(), "fatal" | "error" | "panic"));
    let last = || stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    error.map_or_else(last, |line| line.msg)
}

/// `rpc error: code = NotFound desc = ...`; it may stand after a text of the program.
fn status(text: &str) -> (&str, &str) {
    let Some((_, rest)) = text.split_once("rpc error: code = ") else { return ("", text) };
    rest.split_once(" desc = ").unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor_api::ProcessExit;
    use std::time::Duration;

    fn failure(stderr: &str) -> Failure {
        let exit = ProcessExit {
            code: Some(20),
            signal: None,
            stopped: false,
            duration: Duration::ZERO,
            killed_stragglers: false,
        };
        judge("app get", &Finished { exit, stdout: vec![], stderr_tail: stderr.to_owned() }).unwrap_err()
    }

    fn line(message: &str) -> String {
        format!("{{\"level\":\"fatal\",\"msg\":{},\"time\":\"2026-11-24T15:22:49Z\"}}\n", serde_json::json!(message))
    }

    #[test]
    fn answers_are_sorted_by_what_happens_next() {
        let refused = line("rpc error: code = Unauthenticated desc = invalid session: token is malformed");
        assert!(matches!(failure(&refused), Failure::Final(ExecutorError::InvalidInput { pointer: Some(at), message })
            if at == "/auth" && message.starts_with("Argo CD does not know us: token is malformed")));
        assert!(matches!(
            failure(&line("rpc error: code = PermissionDenied desc = permission denied")),
            Failure::Missing(_)
        ));
        let busy = line("rpc error: code = FailedPrecondition desc = another operation is already in progress");
        assert!(matches!(failure(&busy), Failure::Busy(_)));
        let down = "Failed to establish connection to 127.0.0.1:1: error dial proxy: dial tcp 127.0.0.1:1: connect: connection refused";
        assert!(matches!(failure(&line(down)), Failure::Transient(_)));
        let unavailable = line("rpc error: code = Unavailable desc = connection error: desc = \"transport: EOF\"");
        assert!(matches!(failure(&unavailable), Failure::Transient(_)));
        let proxy = "rpc error: code = Unknown desc = POST https://a.example/x failed with status code 502";
        assert!(matches!(failure(&line(proxy)), Failure::Transient(_)));
        let invalid =
            line("rpc error: code = InvalidArgument desc = application spec is invalid: git: connection refused");
        assert!(matches!(failure(&invalid), Failure::Final(_)), "the server was heard, the repository not");
        let tls = line(
            "rpc error: code = Unavailable desc = tls: failed to verify certificate: x509: unknown; connection refused",
        );
        assert!(matches!(failure(&tls), Failure::Final(error) if error.to_string().contains("tls.ca_certificate")));
    }

    #[test]
    fn its_last_word_is_found_between_others() {
        let text = format!("{}{}rubbish\n", line("first"), line("second"));
        assert_eq!(failure_text(&text), "argocd app get failed with exit code 20: second");
        assert_eq!(
            failure_text("Error: unknown flag: --x\n\n"),
            "argocd app get failed with exit code 20: Error: unknown flag: --x"
        );
        assert_eq!(failure_text(""), "argocd app get failed with exit code 20");
    }

    fn failure_text(stderr: &str) -> String {
        ExecutorError::from(failure(stderr)).to_string()
    }
}
