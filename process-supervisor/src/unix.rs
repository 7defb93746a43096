//! The only code that talks to the operating system about processes.

use std::path::Path;

use crate::{Command, SpawnError};

/// Names a process for longer than its pid does: a pid is used again, pid and start time on one boot are not.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub fn current() -> std::io::Result<Self> {
        todo!()
    }
}

/// A process that lives on when we die. It is watched through a pidfd, so it need not be our child.
#[derive(Debug)]
pub struct DetachedProcess {}

impl DetachedProcess {
    /// Takes up a process that an earlier run of us started. `None` if it has ended (or its pid is now another's).
    ///
    /// # Errors
    /// If the system refuses for another reason.
    pub fn adopt(identity: &ProcessIdentity) -> std::io::Result<Option<Self>> {
        let _ = identity;
        todo!()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        todo!()
    }

    /// Sends SIGTERM to the process itself, not to its group. Harmless when it has ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn terminate(&self) -> std::io::Result<()> {
        todo!()
    }

    /// Sends SIGKILL to its session's process group. Harmless when it has ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&self) -> std::io::Result<()> {
        todo!()
    }

    /// Waits for its end. Cancel-safe; returns at once when it has ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn ended(&self) -> std::io::Result<()> {
        todo!()
    }
}

/// Starts `command` in a session of its own, without a terminal and without any pipe to us. Standard input is
/// empty, standard output and error are appended to the file `output` (created with mode 0600).
///
/// # Errors
/// [`SpawnError`]; then nothing runs.
pub fn spawn_detached(command: &Command, output: &Path) -> Result<DetachedProcess, SpawnError> {
    let _ = (command, output);
    todo!()
}
