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

mod adopt;
mod claim;
mod client;
mod cloud;
pub mod command;
mod config;
mod control;
mod delivery;
mod dialect;
mod directory_backend;
mod directory_watch;
mod dispatch;
mod doctor;
mod events;
mod heartbeat;
mod held_jobs;
mod inputs;
mod job_directory;
mod job_log;
mod job_process;
mod kinds;
mod known_versions;
mod life;
pub mod local;
mod main_loop;
mod oidc_token;
pub mod origin;
mod pauses;
mod registry;
mod remedy;
mod root_bundle;
mod runner;
mod short_name;
mod shutdown;
mod stand_in_outcome;
mod state_directory;
mod task_protection;
mod time_limit;
pub mod token;
mod tool_probe;

pub use command::{main, run_if_job_process};
pub use config::{Config, ConfigError, PASSED_ON, SURROUNDINGS, VARIABLES, Variables};
pub use main_loop::run;
pub use registry::find_tools;
pub use runner::RunError;
pub use shutdown::{ShutdownSignals, ShutdownTrigger};
pub use tool_probe::FoundTool;

/// The version that a runner reports.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An error and all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
