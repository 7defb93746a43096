//! The job process: one executor, one job directory.

use std::path::Path;
use std::process::ExitCode;

/// The hidden verb.
pub(crate) const VERB: &str = "__job";

/// Runs the job in `dir`.
pub(crate) fn run(_dir: &Path) -> ExitCode {
    ExitCode::FAILURE
}
