//! How the program ends, in one number.

use std::process::ExitCode;

use wire::JobStatus;

/// Shown below `--help`.
pub(crate) const HELP: &str = "Exit codes: 0 done (of a followed job: SUCCESS), 1 FAILED or refused, 2 usage, \
                               3 CANCELLED, 78 configuration, 130 interrupted";

/// What the program exits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done; of a followed job: it succeeded.
    Done,
    /// The job failed, or something was refused.
    Failed,
    /// The job was cancelled.
    Cancelled,
    /// Ctrl-C, with nothing decided.
    Interrupted,
}

/// The command line says something that cannot be meant: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misused(pub(crate) String);

/// The settings cannot work: exit code 78 (sysexits.h, EX_CONFIG).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misconfigured(pub(crate) String);

impl Ending {
    /// Of a job that has ended.
    pub(crate) fn of_job(status: JobStatus) -> Self {
        match status {
            JobStatus::Success => Self::Done,
            JobStatus::Cancelled => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    /// The word for it on the wire.
    pub(crate) fn status(self) -> JobStatus {
        match self {
            Self::Done => JobStatus::Success,
            Self::Failed => JobStatus::Failed,
            Self::Cancelled | Self::Interrupted => JobStatus::Cancelled,
        }
    }

    /// Of a verb that could not do what it was asked to.
    pub(crate) fn of_error(error: &anyhow::Error) -> u8 {
        if error.is::<Misused>() {
            2
        } else if error.is::<Misconfigured>() {
            runner_host::command::EXIT_CONFIG
        } else {
            runner_host::command::EXIT_FAILURE
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::Failed => 1,
            Ending::Cancelled => 3,
            Ending::Interrupted => 130,
        })
    }
}
