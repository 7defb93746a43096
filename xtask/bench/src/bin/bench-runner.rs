//! A runner with the benchmark's kinds.
//!
//! It is also the smallest runner of one's own: kinds, and a `main` that hands over to the runner.

#[path = "../runner_kinds.rs"]
mod runner_kinds;

use std::process::ExitCode;

fn main() -> ExitCode {
    runner_host::main()
}
