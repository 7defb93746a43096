//! From a signal to the end: drain, stop, force. A pure table, and where the signals come from.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What can ask a runner to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownSignal {
    /// SIGTERM, SIGINT, or whoever holds the [`ShutdownTrigger`].
    Leave,
    /// The control plane, or a long time without a job: finish what you have, however long it takes.
    Finish,
    /// The drain timeout is over.
    DrainOver,
}

/// How far a runner has come with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Not at all.
    Running,
    /// Takes no more jobs and waits for the ones it has.
    Finishing,
    /// The same, and they have only so long.
    Draining,
    /// Has asked its jobs to stop.
    Stopping,
    /// Has asked them to stop without grace.
    Forcing,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Nothing,
    /// Stop claiming; `limited`: start the drain timeout.
    Drain {
        /// Whether jobs have only so long.
        limited: bool,
    },
    /// Ask jobs to stop, kindly first.
    Stop,
    /// Ask jobs to stop at once.
    Force,
    /// Leave what is there to the next start.
    HandOver,
}

impl Stage {
    /// Decides. The first signal drains, the second stops, the third forces, the fourth waits for nothing.
    pub(crate) fn after(self, signal: ShutdownSignal) -> (Self, Step) {
        use ShutdownSignal::{DrainOver, Finish, Leave};
        match (self, signal) {
            (Self::Running, Finish) => (Self::Finishing, Step::Drain { limited: false }),
            (Self::Running | Self::Finishing, Leave) => (Self::Draining, Step::Drain { limited: true }),
            (Self::Draining, Leave | DrainOver) => (Self::Stopping, Step::Stop),
            (Self::Stopping, Leave) => (Self::Forcing, Step::Force),
            (Self::Forcing, Leave) => (Self::Forcing, Step::HandOver),
            (stage, _) => (stage, Step::Nothing),
        }
    }
}

/// Where a runner hears that it is to leave.
#[derive(Debug)]
pub struct ShutdownSignals(mpsc::UnboundedReceiver<ShutdownSignal>);

/// Asks a runner to leave, in the process that started it.
#[derive(Clone, Debug)]
pub struct ShutdownTrigger(mpsc::UnboundedSender<ShutdownSignal>);

impl ShutdownTrigger {
    /// The same as one SIGTERM: the first call drains, the second stops the jobs, the third forces them, the fourth leaves
    /// them to the next start.
    pub fn leave(&self) {
        let _ = self.0.send(ShutdownSignal::Leave);
    }
}

impl ShutdownSignals {
    /// Signals from within this process, for tests and for programs that embed a runner.
    #[must_use]
    pub fn channel() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// SIGTERM and SIGINT of this process. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn of_process() -> io::Result<Self> {
        let (trigger, signals) = Self::channel();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => trigger.leave(),
                    Some(()) = interrupt.recv() => trigger.leave(),
                    else => return,
                }
            }
        });
        Ok(signals)
    }

    /// The next one; never, if nobody can send any more.
    pub(crate) async fn next(&mut self) -> ShutdownSignal {
        match self.0.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_in_every_stage() {
        use ShutdownSignal::{DrainOver, Finish, Leave};
        use Stage::{Draining, Finishing, Forcing, Running, Stopping};
        let table = [
            (Running, Leave, Draining, Step::Drain { limited: true }),
            (Running, Finish, Finishing, Step::Drain { limited: false }),
            (Running, DrainOver, Running, Step::Nothing),
            (Finishing, Leave, Draining, Step::Drain { limited: true }),
            (Finishing, Finish, Finishing, Step::Nothing),
            (Finishing, DrainOver, Finishing, Step::Nothing),
            (Draining, Leave, Stopping, Step::Stop),
            (Draining, Finish, Draining, Step::Nothing),
            (Draining, DrainOver, Stopping, Step::Stop),
            (Stopping, Leave, Forcing, Step::Force),
            (Stopping, Finish, Stopping, Step::Nothing),
            (Stopping, DrainOver, Stopping, Step::Nothing),
            (Forcing, Leave, Forcing, Step::HandOver),
            (Forcing, Finish, Forcing, Step::Nothing),
            (Forcing, DrainOver, Forcing, Step::Nothing),
        ];
        for (stage, signal, next, step) in table {
            assert_eq!(stage.after(signal), (next, step), "{stage:?} {signal:?}");
        }
    }
}
