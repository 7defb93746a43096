//! A program that has nothing but the hidden verbs, as every runner has them: for tests of the tools that call them.

use std::process::ExitCode;

use executor_cloud as _;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    executor_api::HiddenVerb::run_if_asked(&args).unwrap_or(ExitCode::from(2))
}
