//! Why a job did not succeed.

use std::io;

use process_supervisor::{ProcessExit, SpawnError};
use wire::Reason;

use crate::StopReason;

/// Why a job did not succeed. Texts are for the person who submitted it: they name the field and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The payload or an input is wrong. Trying again will not help.
    #[error("{}{message}", pointer.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
    InvalidInput {
        /// JSON pointer into the payload, for example `/source/git/url`.
        pointer: Option<String>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A tool ended with an error. An answer, not an accident.
    #[error("{tool} failed with {exit}{}", detail(message))]
    ToolFailed {
        /// The program.
        tool: String,
        /// How it ended.
        exit: ProcessExit,
        /// What it said, as short as possible: its own error lines, and a hint where we know one.
        message: String,
    },
    /// Every tool worked, and yet what was asked for did not come about: an application that stays unhealthy, for one.
    /// An answer, not an accident.
    #[error("{0}")]
    Unsuccessful(String),
    /// A tool is missing or its version does not fit.
    #[error("{0}")]
    ToolMissing(String),
    /// The job was asked to stop and did.
    #[error("stopped: {0}")]
    Stopped(StopReason),
    /// The control plane refused the commit point; nothing was changed.
    #[error("the control plane refused to let the job change anything: {0}")]
    CommitRefused(String),
    /// A program could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A file or the job directory could not be used.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Anything else, in words for a person.
    #[error("{0}")]
    Other(String),
}

impl ExecutorError {
    /// A wrong payload, with the place in it.
    #[must_use]
    pub fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        Self::InvalidInput { pointer: Some(pointer.to_owned()), message: message.into() }
    }

    /// For `map_err`: what was tried when the system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The word for programs.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::InvalidInput { .. } => Reason::InvalidInput,
            Self::ToolFailed { .. } | Self::Unsuccessful(_) => Reason::ToolFailed,
            Self::Stopped(reason) => reason.as_reason(),
            Self::CommitRefused(_) => Reason::LeaseLost,
            Self::ToolMissing(_) | Self::Spawn(_) | Self::Io { .. } | Self::Other(_) => Reason::RunnerError,
        }
    }
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
