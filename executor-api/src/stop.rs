//! Being asked to stop.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use wire::Reason;

/// Why a job is to stop. Ordered: the graver wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The runner leaves and its drain time is over.
    RunnerShutdown,
    /// It runs longer than it may.
    TimedOut,
    /// A person asked for it.
    CancelledByUser,
    /// Another attempt holds the job.
    LeaseLost,
}

impl StopReason {
    /// The word for programs.
    #[must_use]
    pub fn as_reason(self) -> Reason {
        match self {
            Self::RunnerShutdown => Reason::RunnerShutdown,
            Self::TimedOut => Reason::TimedOut,
            Self::CancelledByUser => Reason::CancelledByUser,
            Self::LeaseLost => Reason::LeaseLost,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunnerShutdown => "the runner is shutting down and its drain time is over",
            Self::TimedOut => "the job ran longer than its timeout",
            Self::CancelledByUser => "cancelled by a user",
            Self::LeaseLost => "the job was given to another attempt",
        })
    }
}

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// Skip the grace; only a person asks for that.
    #[serde(default)]
    pub force: bool,
}

impl Stop {
    /// Both: a later request can only make it graver or firmer.
    #[must_use]
    pub fn merged(self, later: Self) -> Self {
        Self { reason: self.reason.max(later.reason), force: self.force || later.force }
    }
}

/// Where a request to stop is seen.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

/// Where a request to stop is made.
#[derive(Clone, Debug)]
pub struct StopTrigger(watch::Sender<Option<Stop>>);

impl StopSignal {
    /// A signal and its trigger.
    #[must_use]
    pub fn new() -> (StopTrigger, Self) {
        let (sender, receiver) = watch::channel(None);
        (StopTrigger(sender), Self(receiver))
    }

    /// The request, if there is one.
    #[must_use]
    pub fn requested(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits for a request other than `known`; never returns if the trigger is gone.
    pub async fn changed_from(&mut self, known: Option<Stop>) -> Stop {
        match self.0.wait_for(|now| now.is_some() && *now != known).await.map(|now| *now) {
            Ok(Some(stop)) => stop,
            _ => std::future::pending().await,
        }
    }
}

impl StopTrigger {
    /// Asks to stop, beside what was asked before: see [`Stop::merged`].
    pub fn stop(&self, stop: Stop) {
        self.0.send_if_modified(|now| {
            let merged = now.map_or(stop, |was| was.merged(stop));
            let changed = *now != Some(merged);
            *now = Some(merged);
            changed
        });
    }
}
