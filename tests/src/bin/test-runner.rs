//! A runner with the kinds that the tests need.

use std::process::ExitCode;

use executor_terraform as _;
use hello_executor as _;
use system_tests as _;

fn main() -> ExitCode {
    runner_host::main()
}
