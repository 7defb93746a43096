//! A team's own runner: the library of runners, and the kinds that it links.

use std::process::ExitCode;

use hello_executor as _;

fn main() -> ExitCode {
    runner_host::main()
}
