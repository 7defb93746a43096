//! The `alethia` binary: control plane, runner and the user's client in one file to copy to a machine.

mod api;
mod config;
mod ending;
mod follow;
mod identity_args;
mod job_text;
mod leave_requests;
mod linked;
mod log_printer;
mod new_file;
mod output;
mod payload;
mod source_place;
mod terminal_text;
mod trust;
mod verbs;

use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser};

use crate::ending::Ending;
use crate::verbs::Verb;

/// Runs infrastructure jobs: a control plane, runners, and what a user needs to talk to them.
#[derive(Parser)]
#[command(name = "alethia", version, about, after_help = ending::HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    // This process may be one of a runner's job processes; then it is nothing else.
    if let Some(code) = runner_host::run_if_job_process() {
        return code;
    }
    let json = std::env::args_os().any(|arg| arg == "--json");
    let given = without_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    match cli.verb.run() {
        Ok(code) => code,
        Err(error) => {
            output::error(&error, json);
            Ending::of_error(&error).into()
        }
    }
}

/// A variable that is empty is not set: an env file or a container's definition often cannot leave one out.
#[expect(clippy::disallowed_methods, reason = "they are clap's to read; only what is empty is kept from it")]
fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let reset = |arg: Arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(reset).mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &clap::Command) {
        for variable in command.get_arguments().filter_map(|arg| arg.get_env()) {
            let name = variable.to_str().unwrap();
            let is_known = runner_host::VARIABLES.contains(&name);
            assert!(is_known, "{}: {name} is not in runner-host/src/config/names.rs", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn every_variable_of_a_flag_is_documented() {
        check(&Cli::command());
    }
}
