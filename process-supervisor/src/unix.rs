//! The only code that talks to the operating system about processes other than the one child of `supervise`.

use std::ffi::{CStr, CString, c_char};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
    set_dumpable_behavior, test_kill_process_group, wait, waitpgid,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Command;

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

/// Some fields of `/proc/PID/stat` (see proc_pid_stat(5)).
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> io::Result<Self> {
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
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Every process that can be seen. Ones that end while we look are left out.
fn all() -> Vec<(u32, Stat)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Stat::of(pid).ok()?))).collect()
}

/// Whether a group, whose leader has been waited for, has a process that is not a zombie.
pub(crate) fn group_is_alive(group: Pid) -> bool {
    // A subreaper inherits the dead of the group; they would stay in it for ever.
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    // Nearly always the answer: reading all of /proc takes longer than starting a child.
    if test_kill_process_group(group) == Err(Errno::SRCH) {
        return false;
    }
    let group = group.as_raw_nonzero().get().cast_unsigned();
    all().iter().any(|(_, stat)| stat.group == group && stat.is_alive())
}

/// From now on, a descendant whose parent ends becomes our child, even if it left its group and session. So
/// [`kill_descendants`] finds all of them.
///
/// # Errors
/// If the system refuses.
pub fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Ends every descendant of this process and says how many there were. For a process that is about to end itself:
/// it takes every child's exit status.
#[must_use]
pub fn kill_descendants() -> usize {
    let mut killed = std::collections::BTreeSet::new();
    // The bound is for a process that the kernel cannot end (state D).
    for _ in 0..200 {
        if !has_children() {
            break;
        }
        let living = living_descendants();
        if living.is_empty() {
            break;
        }
        killed.extend(living.into_iter().filter(|&(pid, start_ticks)| kill_one(pid, start_ticks)));
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.len()
}

/// Takes the exit status of every child that has ended. Without a living child there is no descendant: nearly always the
/// answer, and reading all of `/proc` takes as long as starting a process.
fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Each with its start time.
fn living_descendants() -> Vec<(u32, u64)> {
    let all = all();
    let mut family = vec![std::process::id()];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    let descendants = all.iter().filter(|(pid, stat)| stat.is_alive() && family[1..].contains(pid));
    descendants.map(|(pid, stat)| (*pid, stat.start_ticks)).collect()
}

/// False if it is gone. Its parent may have waited for it since we looked, and the pid may be a stranger's: so it is
/// looked at again once the pidfd holds it.
fn kill_one(pid: u32, start_ticks: u64) -> bool {
    let Some(pidfd) = Pid::from_raw(pid.cast_signed()).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    Stat::of(pid).is_ok_and(|stat| stat.start_ticks == start_ticks) && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
}

/// Lets the runtime wait until `fd` is readable.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, stays so for as long as the `AsyncFd` owns it, and names the same file throughout.
    #[expect(unsafe_code, reason = "the safe constructors are deprecated: they take what may change its descriptor")]
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(watched?)
}

/// Starts a program as the leader of a new session. Not waited for: see `DetachedProcess`.
pub(crate) fn spawn_in_new_session(command: &Command, output: File) -> io::Result<std::process::Child> {
    #[expect(clippy::disallowed_methods, reason = "this crate is where processes are started")]
    let mut child = std::process::Command::new(&command.program);
    child.args(&command.args).env_clear().envs(command.env.iter()).current_dir(&command.dir);
    child.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    // SAFETY: `setsid` is a bare system call: async-signal-safe, no allocation, no lock.
    #[expect(unsafe_code, reason = "the standard library has no stable way to start a session")]
    unsafe {
        child.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
    }
    child.spawn()
}

/// Keeps this process's secrets from other processes of the same user, which could read its memory and, in
/// `/proc/PID/environ`, its first environment. The variables read as empty from then on. Call it before any other
/// thread starts.
///
/// # Errors
/// If another thread runs, which may be reading the environment, or the system refuses. Nothing is hidden then.
pub fn hide_secrets(variables: &[&str]) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the standard library copies values, and here the original is wanted")]
    unsafe extern "C" {
        fn getenv(name: *const c_char) -> *mut c_char;
    }
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("another thread may be reading the environment"));
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for name in variables {
        let name = CString::new(*name)?;
        // SAFETY: `getenv` returns null or a text that ends with NUL, in memory that is ours to write; no other thread
        // exists that could read or move it.
        #[expect(unsafe_code, reason = "nothing else reaches the block that the kernel shows to others")]
        unsafe {
            let value = getenv(name.as_ptr());
            if !value.is_null() {
                value.write_bytes(0, CStr::from_ptr(value).count_bytes());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_touched_while_somebody_may_read_them() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert!(hide_secrets(&["PATH"]).is_err());
        drop(end);
        assert!(other.join().unwrap().is_err());
    }

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat = Stat::parse("7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0").unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.start_ticks), ('S', 1, 7, 4711));
    }

    #[test]
    fn this_process_has_one_identity() {
        assert_eq!(ProcessIdentity::current().unwrap(), ProcessIdentity::current().unwrap());
    }
}
