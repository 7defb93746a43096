//! Ctrl-C and its relatives, while there is something to clean up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;

const ENDINGS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// While this lives, a signal that would end us is only noted; afterwards it ends us again.
pub(super) struct Interrupts {
    signals: Signals,
    over: Arc<AtomicBool>,
}

impl Interrupts {
    pub(super) fn catch() -> anyhow::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        for signal in ENDINGS {
            register_conditional_default(signal, Arc::clone(&over)).context("no handler for signals")?;
        }
        let signals = Signals::new(ENDINGS.into_iter().chain([SIGCHLD])).context("no handler for signals")?;
        Ok(Self { signals, over })
    }

    /// The signal that wants us to end, if one has come.
    pub(super) fn look(&mut self) -> Option<i32> {
        self.signals.pending().find(|signal| *signal != SIGCHLD)
    }

    /// Waits until a child has ended or somebody wants us to end, and returns that signal.
    pub(super) fn wait(&mut self) -> Option<i32> {
        self.signals.wait().find(|signal| *signal != SIGCHLD)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}
