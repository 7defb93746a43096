//! The loop over one child: output, exit, stop, grace over.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{Command, ProcessExit, SpawnError};

/// Which pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Some bytes that the child printed: whole lines with their line ends, or a piece of a line that is longer than
/// 64 KiB, or the last line without its end. Concatenated per stream they are what it wrote, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it printed them.
    pub stream: OutputStream,
    /// What it printed; never empty, at most 64 KiB.
    pub bytes: Bytes,
    /// When we read them.
    pub at: SystemTime,
}

/// How to stop a child. A later order may only be firmer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// One SIGINT to the child itself (never to its group: a tool's own children must not see it), `grace` to end,
    /// SIGTERM to the group, `firm` to end, SIGKILL to the group until it is empty.
    Ladder {
        /// How long after SIGINT comes SIGTERM.
        grace: Duration,
        /// How long after SIGTERM comes SIGKILL.
        firm: Duration,
    },
    /// SIGKILL to the group at once.
    Kill,
}

/// Runs `command` to its end.
///
/// Output goes into `output` in the order in which it was read; when that channel is full the child waits (nothing
/// is dropped, memory stays bounded); when it is closed the rest is read and thrown away. `stop` is looked at while
/// the child runs. Returns once the child has ended, its output has been read to the end or to a short deadline
/// (a grandchild may hold the pipe), and no process of its group is left.
///
/// Dropping the future kills the group.
///
/// # Errors
/// [`SpawnError`] if it could not be started; then nothing ran.
pub async fn supervise(
    command: &Command,
    output: mpsc::Sender<Output>,
    stop: watch::Receiver<Option<StopOrder>>,
) -> Result<ProcessExit, SpawnError> {
    let _ = (command, output, stop);
    todo!()
}
