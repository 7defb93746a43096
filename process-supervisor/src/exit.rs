//! How a child ended, without judgement.

use std::path::PathBuf;
use std::time::Duration;

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether we asked it to stop before it ended; the exit code alone cannot tell.
    pub stopped: bool,
    /// From spawn to exit of the child itself.
    pub duration: Duration,
    /// Processes of its group that we had to kill after it had ended.
    pub killed_stragglers: bool,
}

impl ProcessExit {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl std::fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "killed by signal {signal}"),
            (None, None) => f.write_str("ended in an unknown way"),
        }
    }
}

/// Why a child did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program must be named by its whole path.
    #[error("the program {0:?} is not an absolute path")]
    NotAbsolute(PathBuf),
    /// An argument or a variable holds a NUL byte, which no program can be given.
    #[error("argument or variable {0} holds a NUL byte")]
    Nul(String),
    /// The system refused.
    #[error("cannot start {program:?}")]
    Refused {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
