//! What is left of a group, and of everything that a process has started.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
    test_kill_process_group, wait, waitpgid,
};

use super::identity::{ProcessIdentity, Stat, all};

/// Whether a group, whose leader has been waited for, has a process that is not a zombie.
pub(crate) fn group_is_alive(group: Pid) -> bool {
    // A subreaper inherits the dead of the group; they would stay in it for ever.
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    // Nearly always the answer: reading all of /proc takes longer than starting a child.
    if test_kill_process_group(group) == Err(Errno::SRCH) {
        return false;
    }
    let group = group.as_raw_nonzero().get().cast_unsigned();
    all().unwrap_or_default().iter().any(|(_, stat)| stat.group == group && stat.is_alive())
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
        killed.extend(living.into_iter().filter(|&(pid, start_ticks)| send_to_one(pid, start_ticks, Signal::KILL)));
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
    let all = all().unwrap_or_default();
    let mut family = vec![std::process::id()];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    let descendants = all.iter().filter(|(pid, stat)| stat.is_alive() && family[1..].contains(pid));
    descendants.map(|(pid, stat)| (*pid, stat.start_ticks)).collect()
}

impl ProcessIdentity {
    /// Sends SIGINT to each command of the session that it leads, or led: as [`crate::supervise()`] does it, not to what that
    /// has started.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn interrupt_session(&self) -> io::Result<()> {
        for (pid, stat) in self.session()? {
            if stat.group == pid && pid != self.pid {
                send_to_one(pid, stat.start_ticks, Signal::INT);
            }
        }
        Ok(())
    }

    /// Sends SIGKILL to every process of that session that is there now. One may have started another meanwhile.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn kill_session(&self) -> io::Result<()> {
        for (pid, stat) in self.session()? {
            send_to_one(pid, stat.start_ticks, Signal::KILL);
        }
        Ok(())
    }
}

/// False if it is gone. Its parent may have waited for it since we looked, and the pid may be a stranger's: so it is
/// looked at again once the pidfd holds it.
fn send_to_one(pid: u32, start_ticks: u64, signal: Signal) -> bool {
    let Some(pidfd) = Pid::from_raw(pid.cast_signed()).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    Stat::of(pid).is_ok_and(|stat| stat.start_ticks == start_ticks) && pidfd_send_signal(pidfd, signal).is_ok()
}
