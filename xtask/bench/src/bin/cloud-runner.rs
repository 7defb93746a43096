//! The same runner with the clouds linked: what they cost is the difference.

#[path = "../runner_kinds.rs"]
mod runner_kinds;

use std::process::ExitCode;

use executor_cloud as _;

fn main() -> ExitCode {
    runner_host::main()
}
