//! What terraform says when it fails, as short as a person wants it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

/// A lock that somebody else holds, as far as terraform says it. What it does not say is empty.
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
    /// What the backend adds: the control plane says who the holder is.
    pub info: String,
}

impl StateLock {
    /// How long it has been held, roughly, for a person.
    fn age(&self, now: SystemTime) -> Option<String> {
        // Go's form: 2026-11-20 10:00:00.000000001 +0000 UTC.
        let taken = humantime::parse_rfc3339_weak(self.created.get(..19)?).ok()?;
        let seconds = now.duration_since(taken).ok()?.as_secs();
        let whole = humantime::format_duration(Duration::from_secs(seconds)).to_string();
        Some(whole.split(' ').take(2).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for StateLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, path, operation, who, created, info } = self;
        let age = self.age(SystemTime::now()).map(|age| format!(", for {age}")).unwrap_or_default();
        f.write_str("the state is locked")?;
        if !who.is_empty() {
            write!(f, " by {who} since {created}{age} ({operation})")?;
        }
        let comma = if info.is_empty() { "" } else { ", " };
        write!(f, " with id {id}{comma}{info}")?;
        if who.is_empty() && !created.is_empty() {
            write!(f, ", since {created}{age}")?;
        }
        f.write_str("; wait for its end, or if that process is dead for certain, unlock it by that id")?;
        // Only our plane says who holds it.
        if info.starts_with("held by ") {
            write!(f, ": alethia state unlock {path} {id}")?;
        }
        Ok(())
    }
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

/// The lock that terraform met, if that is why it failed. `state` is what the plane calls the state, if it is there.
pub(crate) fn state_lock(stderr: &str, state: Option<&str>) -> Option<StateLock> {
    let at_the_plane =
        lock_of_http(stderr).map(|lock| StateLock { path: state.unwrap_or_default().to_owned(), ..lock });
    at_the_plane.or_else(|| lock_info(stderr))
}

/// The `http` backend shows only the id of the lock that is held (terraform 1.11); the "Lock Info" below it is
/// terraform's own request. Our plane puts the holder behind the id: `ID=<id> (<holder>, since <time>)`.
fn lock_of_http(stderr: &str) -> Option<StateLock> {
    let (_, rest) = stderr.split_once("already locked:")?;
    let message = rest.split("Lock Info:").next().unwrap_or(rest);
    // Wrapped at the width of a terminal, in a box.
    let words: Vec<_> =
        message.split(|c: char| c.is_whitespace() || c == '│').filter(|word| !word.is_empty()).collect();
    let message = words.join(" ");
    let id = message.strip_prefix("ID=")?;
    let (id, holder) = match id.split_once(" (") {
        Some((id, holder)) => (id, holder.split(')').next().unwrap_or(holder)),
        None => (id.split(' ').next().unwrap_or(id), ""),
    };
    let (info, created) = holder.rsplit_once(", since ").unwrap_or((holder, ""));
    let [id, info, created] = [id, info, created].map(str::to_owned);
    Some(StateLock { id, info, created, ..StateLock::default() })
}

/// What the other backends print is the holder's own.
fn lock_info(stderr: &str) -> Option<StateLock> {
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

/// What is wrong with a plan that came too late.
pub(crate) const STALE: &str = "the state has changed since the plan was made; plan again";

/// What to do about it, where we know.
pub(crate) fn hint(stderr: &str) -> Option<&'static str> {
    let hints = [
        ("Saved plan is stale", STALE),
        ("was created by a different version", "the plan was made by another version of the program; plan again"),
        (
            "Failed to query available provider packages",
            "the runner cannot reach a provider registry; its operator can set up a mirror",
        ),
        (
            "No configuration files",
            "the source has no .tf files in its root; give `path` for git, or pack the right folder",
        ),
        (
            "The referenced S3 bucket must",
            "the runner's operator makes the bucket for states, names another in ALETHIA_STATE_BUCKET, or lets runners make \
             it (ALETHIA_STORAGE_AUTO_CREATE_BUCKETS)",
        ),
        ("Inconsistent dependency lock file", "run init locally and commit .terraform.lock.hcl"),
        ("No value for required variable", "give it in `variables`"),
    ];
    hints.iter().find(|(sign, _)| stderr.contains(sign)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terraform 1.11.4 with the `http` backend; the second id is its own.
    const LOCKED_HTTP: &str = "\
╷
│ Error: Error acquiring the state lock
│ 
│ Error message: HTTP remote state already locked:
│ ID=11111111-2222-3333-4444-555555555555 (held by job
│ 0192f0c1-5a5b-7c6d-8e9f-000000000001, attempt 2, on runner r-1, since
│ 2026-11-20T10:00:00Z)
│ Lock Info:
│   ID:        6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10
│   Path:      
│   Operation: OperationTypeApply
│   Who:       root@us
│   Version:   1.11.4
│   Created:   2026-11-20 10:00:00.000000001 +0000 UTC
│   Info:      
│ 
│ 
│ Terraform acquires a state lock to protect the state from being written
╵
";

    const LOCKED_S3: &str = "\
╷
│ Error: Error acquiring the state lock
│ 
│ Error message: operation error S3: PutObject, https response error
│ StatusCode: 412, api error PreconditionFailed
│ Lock Info:
│   ID:        6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10
│   Path:      bucket/key
│   Operation: OperationTypeApply
│   Who:       deploy@build-7
│   Version:   1.11.4
│   Created:   2026-11-20 10:00:00.000000001 +0000 UTC
│   Info:      
│ 
│ 
│ Terraform acquires a state lock to protect the state from being written
╵
";

    #[test]
    fn a_lock_in_the_plane_names_its_holder_and_not_us() {
        let lock = state_lock(LOCKED_HTTP, Some("net")).unwrap();
        assert_eq!(lock.id, "11111111-2222-3333-4444-555555555555");
        assert_eq!(lock.info, "held by job 0192f0c1-5a5b-7c6d-8e9f-000000000001, attempt 2, on runner r-1");
        assert_eq!((lock.who.as_str(), lock.created.as_str()), ("", "2026-11-20T10:00:00Z"));
        let now = humantime::parse_rfc3339("2026-11-20T10:42:05Z").unwrap();
        assert_eq!(lock.age(now).unwrap(), "42m 5s");
        let text = lock.to_string();
        assert!(text.starts_with("the state is locked with id 11111111-2222-3333-4444-555555555555, held by job"));
        assert!(text.contains("attempt 2, on runner r-1, since 2026-11-20T10:00:00Z, for "), "{text}");
        assert!(text.ends_with(": alethia state unlock net 11111111-2222-3333-4444-555555555555"), "{text}");
        let of_another_plane = "already locked:\nID=x-y\n\nLock Info:\n  ID: z\n";
        assert_eq!(
            state_lock(of_another_plane, None),
            Some(StateLock { id: "x-y".to_owned(), ..StateLock::default() })
        );
    }

    #[test]
    fn a_lock_elsewhere_names_its_holder() {
        let lock = state_lock(LOCKED_S3, None).unwrap();
        assert_eq!(lock.id, "6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10");
        assert_eq!((lock.who.as_str(), lock.path.as_str()), ("deploy@build-7", "bucket/key"));
        assert_eq!(lock.operation, "OperationTypeApply");
        let now = humantime::parse_rfc3339("2026-11-20T13:02:05Z").unwrap();
        assert_eq!(lock.age(now).unwrap(), "3h 2m");
        let text = lock.to_string();
        assert!(text.starts_with("the state is locked by deploy@build-7 since 2026-11-20"), "{text}");
        assert!(text.contains("(OperationTypeApply) with id 6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10; wait"), "{text}");
        assert!(!text.contains("alethia"), "the lock is not the plane's: {text}");
        assert_eq!(state_lock("Error: something else", Some("net")), None);
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
