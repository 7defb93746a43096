//! Which process a number means.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// Names a process for longer than its pid does: a pid is used again, pid and start time on one boot are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// The calling process.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// Whether the session that it leads, or led, has a living process. One that left for a session of its own is not seen.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn session_is_alive(&self) -> io::Result<bool> {
        Ok(!self.session()?.is_empty())
    }

    /// The living processes of that session.
    pub(super) fn session(&self) -> io::Result<Vec<(u32, Stat)>> {
        if boot_id()? != self.boot_id {
            return Ok(vec![]);
        }
        let mut all = all()?;
        // While a session has members, nobody else gets the number of its leader.
        let is_anothers = all.iter().any(|(pid, stat)| *pid == self.pid && stat.start_ticks != self.start_ticks);
        all.retain(|(_, stat)| !is_anothers && stat.session == self.pid && stat.is_alive());
        Ok(all)
    }

    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start_ticks: Stat::of(pid)?.start_ticks, boot_id: boot_id()? })
    }
}

/// Names the time since this machine was started.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Every process that can be seen. Ones that end while we look are left out.
pub(super) fn all() -> io::Result<Vec<(u32, Stat)>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, Stat::of(pid).ok()?))).collect())
}

/// Some fields of `/proc/PID/stat` (see proc_pid_stat(5)).
pub(super) struct Stat {
    state: char,
    pub(super) parent: u32,
    pub(super) group: u32,
    session: u32,
    pub(super) start_ticks: u64,
}

impl Stat {
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has an unknown form")))
    }

    /// The second field is the program's name in parentheses and may hold anything, parentheses too.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat = Stat::parse("7 (a) b) S 1 7 6 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0").unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.session, stat.start_ticks), ('S', 1, 7, 6, 4711));
    }

    #[test]
    fn this_process_has_one_identity() {
        assert_eq!(ProcessIdentity::current().unwrap(), ProcessIdentity::current().unwrap());
    }
}
