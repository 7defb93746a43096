//! How people ask a program of ours to leave: Ctrl-C in a terminal, SIGTERM from whoever runs it.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Heard from the moment this exists, so that none is lost between two waits.
pub(crate) struct LeaveRequests {
    interrupt: Signal,
    terminate: Signal,
}

impl LeaveRequests {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
