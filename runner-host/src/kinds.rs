//! `kinds`: what this program can run, and whether its tools are here.

use std::process::ExitCode;

use executor_api::{ExecutorRegistry, JobSettings};

use crate::known_versions::KnownVersions;
use crate::registry::Capabilities;

/// Prints the linked kinds: a list for people, or one JSON document.
pub(crate) async fn print(registry: &ExecutorRegistry, settings: &JobSettings, json: bool) -> ExitCode {
    let capabilities = Capabilities::probe(registry, settings, &KnownVersions::default()).await;
    let kinds = registry.iter().map(executor_api::ExecutorPlugin::info).collect::<Vec<_>>();
    if json {
        match serde_json::to_string_pretty(&kinds) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("error: cannot print the kinds: {error}");
                return ExitCode::FAILURE;
            }
        }
        return ExitCode::SUCCESS;
    }
    for kind in &kinds {
        println!("{:<20} {}", kind.kind, kind.summary);
        match capabilities.missing(&kind.kind) {
            None => {}
            Some(why) => println!("{:<20} not offered: {why}", ""),
        }
    }
    ExitCode::SUCCESS
}
