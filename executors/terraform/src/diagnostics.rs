//! What terraform says when it fails, as short as a person wants it.

use serde::Serialize;

/// A lock that somebody else holds, as terraform prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateLock {
    /// What `force-unlock` wants.
    pub id: String,
    /// The state.
    pub path: String,
    /// What the holder does, for example `OperationTypeApply`.
    pub operation: String,
    /// `user@host`.
    pub who: String,
    /// When it was taken.
    pub created: String,
    /// What the backend adds.
    pub info: String,
}

const MOST_LINES: usize = 30;

/// The lines of all error blocks. Terraform draws a box around each (`╷`, `│`, `╵`).
pub(crate) fn errors(stderr: &str) -> String {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in stderr.lines() {
        let boxed = line.strip_prefix('│').map(str::trim_end);
        let text = boxed.map_or(line, |text| text.strip_prefix(' ').unwrap_or(text));
        inside = match () {
            () if line.starts_with('╷') || line.starts_with('╵') => false,
            () if text.starts_with("Error: ") => true,
            () if text.starts_with("Warning: ") => false,
            () => inside,
        };
        if inside && !text.trim().is_empty() {
            lines.push(text.trim_end());
        }
    }
    lines.truncate(MOST_LINES);
    if lines.is_empty() { stderr.trim().lines().last().unwrap_or_default().to_owned() } else { lines.join("\n") }
}

/// The lock that terraform met, if that is why it failed.
pub(crate) fn state_lock(stderr: &str) -> Option<StateLock> {
    let (_, block) = stderr.split_once("Lock Info:")?;
    let mut lock = StateLock::default();
    for line in block.lines().skip(1) {
        let line = line.trim_start_matches(['│', ' ']);
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim().to_owned();
        match name {
            "ID" => lock.id = value,
            "Path" => lock.path = value,
            "Operation" => lock.operation = value,
            "Who" => lock.who = value,
            "Created" => lock.created = value,
            "Info" => lock.info = value,
            "Version" => {}
            _ => break,
        }
    }
    (!lock.id.is_empty()).then_some(lock)
}

/// What to do about it, where we know.
pub(crate) fn hint(stderr: &str) -> Option<&'static str> {
    let hints = [
        ("Saved plan is stale", "the state has changed since the plan was made; plan again"),
        ("was created by a different version", "the plan was made by another version of the program; plan again"),
        (
            "Failed to query available provider packages",
            "the runner cannot reach a provider registry; its operator can set up a mirror",
        ),
        (
            "No configuration files",
            "the source has no .tf files in its root; give `path` for git, or pack the right folder",
        ),
        ("Inconsistent dependency lock file", "run init locally and commit .terraform.lock.hcl"),
        ("No value for required variable", "give it in `variables`"),
    ];
    hints.iter().find(|(sign, _)| stderr.contains(sign)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKED: &str = "\
╷
│ Error: Error acquiring the state lock
│ 
│ Error message: HTTP remote state already locked:
│ ID=6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10
│ Lock Info:
│   ID:        6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10
│   Path:      
│   Operation: OperationTypeApply
│   Who:       deploy@build-7
│   Version:   1.11.4
│   Created:   2026-11-20 10:00:00.000000001 +0000 UTC
│   Info:      held by job x
│ 
│ 
│ Terraform acquires a state lock to protect the state from being written
╵
";

    #[test]
    fn a_lock_names_its_holder() {
        let lock = state_lock(LOCKED).unwrap();
        assert_eq!(lock.id, "6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10");
        assert_eq!((lock.who.as_str(), lock.info.as_str()), ("deploy@build-7", "held by job x"));
        assert_eq!(lock.operation, "OperationTypeApply");
        assert_eq!(state_lock("Error: something else"), None);
    }

    #[test]
    fn only_errors_are_kept() {
        let text =
            "╷\n│ Warning: Deprecated\n│ \n│ old\n╵\n╷\n│ Error: Missing resource\n│ \n│   on main.tf line 1:\n╵\n";
        assert_eq!(errors(text), "Error: Missing resource\n  on main.tf line 1:");
        assert_eq!(errors("Killed\n"), "Killed");
        assert_eq!(errors(""), "");
    }
}
