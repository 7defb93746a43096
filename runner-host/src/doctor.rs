//! `doctor`: everything that `start` needs, checked and said in one go.

use std::process::ExitCode;

use executor_api::ExecutorRegistry;

use crate::command::{EXIT_CONFIG, StartArgs};
use crate::config::{Config, Variables};
use crate::known_versions::KnownVersions;
use crate::registry::Capabilities;

/// Prints one line per check. Fails if one of them would stop a runner.
pub(crate) async fn check(args: &StartArgs, variables: &Variables) -> ExitCode {
    let mut sound = true;
    let mut say = |ok: bool, text: String| {
        sound &= ok;
        println!("{} {text}", if ok { "ok  " } else { "FAIL" });
    };
    for warning in variables.unknown() {
        println!("warn {warning}");
    }
    match Config::read(args, variables) {
        Ok(config) => say(true, format!("settings: {} as runner {}", config.origin, config.runner_id)),
        Err(error) => error.problems.into_iter().for_each(|problem| say(false, problem)),
    }
    match ExecutorRegistry::from_linked() {
        Ok(registry) => {
            let capabilities =
                Capabilities::probe(&registry, &Config::job_settings(variables), &KnownVersions::default()).await;
            for info in capabilities.usable() {
                say(true, format!("kind {}", info.kind));
            }
            for (kind, why) in capabilities.all_missing() {
                say(false, format!("kind {kind}: {why}"));
            }
        }
        Err(error) => say(false, error.to_string()),
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) }
}
