//! A runner: claims jobs, runs each in a process of its own, and delivers what they log and how they end.
//!
//! A team's own runner is this library and the kinds it links:
//!
//! ```no_run
//! use std::process::ExitCode;
//! // use acme_executors as _;
//! fn main() -> ExitCode {
//!     runner_host::main()
//! }
//! ```
//!
//! The runner's token stays in this process's memory; the job directory is the whole interface to a job process.

pub mod command;
mod config;
mod doctor;
mod job_process;
mod kinds;
pub mod local;
mod registry;
mod shutdown;

use executor_api::ExecutorRegistry;

pub use command::{main, run_if_job_process};
pub use config::{Config, ConfigError, VARIABLES, Variables};
pub use shutdown::{ShutdownSignal, ShutdownSignals, ShutdownTrigger};

/// The version that a runner reports.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a runner ended other than by leaving.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot work; starting again will not help.
    #[error("{0}")]
    Config(String),
    /// Anything else.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// What the program exits with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => command::EXIT_CONFIG,
            Self::Io { .. } => command::EXIT_FAILURE,
        }
    }
}

/// Claims and runs jobs until it is asked to leave. The job processes are this program again, so its `main` must
/// call [`run_if_job_process`] first.
///
/// # Errors
/// [`RunError`]: the runner cannot go on. Jobs that run are left to the next one with the same state directory.
pub async fn run(config: Config, registry: ExecutorRegistry, mut shutdown: ShutdownSignals) -> Result<(), RunError> {
    let _ = (config, registry, shutdown.next().await);
    Ok(())
}

/// An error and all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
