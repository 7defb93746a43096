//! A process that lives on when we die, and how to take it up again.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, pidfd_open, pidfd_send_signal, waitid,
    waitpid,
};
use tokio::io::unix::AsyncFd;

use crate::{Command, ProcessIdentity, SpawnError, unix};

/// A process that lives on when we die. It is watched through a pidfd, so it need not be our child.
#[derive(Debug)]
pub struct DetachedProcess {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
}

impl DetachedProcess {
    /// Takes up a process that an earlier run of us started. `None` if it has ended (or its pid is now another's).
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses for another reason.
    pub fn adopt(identity: &ProcessIdentity) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(identity.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let process = match Self::open(pid) {
            Ok(process) => process,
            // The number is free, or that of a thread by now.
            Err(error) if is_one_of(&error, &[Errno::SRCH, Errno::NOENT, Errno::INVAL]) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The identity is read after the pidfd is open: from then on the pid cannot become another's unseen. Any other
        // error than "no such process" says nothing: a living process must not count as ended.
        match ProcessIdentity::of(identity.pid) {
            Ok(now) if now == *identity => Ok((!process.has_ended()?).then_some(process)),
            Ok(_) => Ok(None),
            Err(error) if is_one_of(&error, &[Errno::SRCH, Errno::NOENT]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self { pid, pidfd: unix::watch(pidfd)? })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Sends SIGTERM to the process itself, not to its group. Harmless when it has ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn terminate(&self) -> io::Result<()> {
        ignore_ended(pidfd_send_signal(self.pidfd.get_ref(), Signal::TERM))
    }

    /// Waits for its end. Cancel-safe; returns at once when it has ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn ended(&self) -> io::Result<()> {
        while !self.has_ended()? {
            self.pidfd.readable().await?.clear_ready();
        }
        // A child of ours stays a zombie until it is waited for; another's child is none of our business.
        let _ = waitid(
            WaitId::PidFd(std::os::fd::AsFd::as_fd(self.pidfd.get_ref())),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
        Ok(())
    }

    fn has_ended(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(retry_on_intr(|| poll(&mut fds, Some(&now)))? > 0)
    }
}

fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    errnos.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn ignore_ended(sent: rustix::io::Result<()>) -> io::Result<()> {
    match sent {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Starts `command` in a session of its own, without a terminal and without any pipe to us. Standard input is
/// empty, standard output and error are appended to the file `output` (created with mode 0600).
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// [`SpawnError`]; then nothing runs.
pub fn spawn_detached(command: &Command, output: &Path) -> Result<DetachedProcess, SpawnError> {
    crate::supervise::check(command)?;
    let refused = |source| SpawnError::Refused { program: command.program.clone(), source };
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(output).map_err(|error| {
        refused(io::Error::new(error.kind(), format!("its output file {}: {error}", output.display())))
    })?;
    let spawned = unix::spawn_in_new_session(command, &file);
    let pid = spawned.map_err(|source| crate::supervise::refused(command, source))?;
    DetachedProcess::open(pid).map_err(|source| {
        // What cannot be watched must not live. It has not been waited for, so the number is still its own.
        let _ = kill_process(pid, Signal::KILL).and_then(|()| waitpid(Some(pid), WaitOptions::empty()));
        refused(source)
    })
}
