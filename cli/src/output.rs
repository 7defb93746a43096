//! What people and programs read: colours and tables for the ones, one JSON document for the others.

use anstream::{eprintln, println};
use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::{ErrorBody, JobStatus};

use crate::api::ApiError;
use crate::terminal_text;

/// The one document of `--json`.
pub(crate) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(document)?);
    Ok(())
}

/// Why it did not work: a document for programs, a sentence for people.
pub(crate) fn error(error: &anyhow::Error, as_json: bool) {
    let text = format!("{error:#}");
    if !as_json {
        eprintln!("{} {text}", "error:".red().bold());
        return;
    }
    let body = match error.downcast_ref() {
        Some(ApiError::Refused { error, pointer, .. }) => ErrorBody { error: error.clone(), pointer: pointer.clone() },
        _ => ErrorBody { error: text, pointer: None },
    };
    if json(&body).is_err() {
        eprintln!("error: {}", body.error);
    }
}

/// A remark beside the output.
pub(crate) fn note(text: &str) {
    eprintln!("{}", text.dimmed());
}

/// A table without lines: easy to read, and to cut.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for line in table.to_string().lines() {
        println!("{}", line.trim());
    }
}

/// A status in its colour.
pub(crate) fn status(status: JobStatus) -> String {
    match status {
        JobStatus::Success => status.green().to_string(),
        JobStatus::Failed => status.red().to_string(),
        JobStatus::Cancelled => status.yellow().to_string(),
        JobStatus::Processing => status.cyan().to_string(),
        JobStatus::Queued | JobStatus::Claimed => status.to_string(),
    }
}

/// What a plan would do, from its job's metadata; nothing if the job made none.
pub(crate) fn plan_summary(metadata: &Value) {
    let summary = &metadata["plan_summary"];
    if !summary.is_object() {
        return;
    }
    let count = |name: &str| summary[name].as_u64().unwrap_or_default();
    println!(
        "\n{} {} to add, {} to change, {} to destroy",
        "Plan:".bold(),
        count("add").green(),
        count("change").yellow(),
        count("destroy").red()
    );
    for resource in summary["resources"].as_array().into_iter().flatten() {
        let (action, address) =
            (resource["action"].as_str().unwrap_or("?"), resource["address"].as_str().unwrap_or("?"));
        println!("  {} {}", sign(action), terminal_text::shown(address));
    }
}

fn sign(action: &str) -> String {
    match action {
        "create" => "+".green().to_string(),
        "update" => "~".yellow().to_string(),
        "delete" => "-".red().to_string(),
        "replace" => "±".red().to_string(),
        other => terminal_text::shown(other),
    }
}

/// The outputs of a stack, from its job's metadata; the sensitive ones are not there to be shown.
pub(crate) fn outputs(metadata: &Value) {
    let Some(outputs) = metadata["outputs"].as_object().filter(|outputs| !outputs.is_empty()) else { return };
    println!("\n{}", "Outputs:".bold());
    for (name, value) in outputs {
        println!("  {} = {}", terminal_text::shown(name), shown(value));
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(map) if map.get("sensitive") == Some(&Value::Bool(true)) && map.len() == 1 => {
            "(sensitive)".dimmed().to_string()
        }
        Value::String(text) => terminal_text::shown(text),
        other => other.to_string(),
    }
}

/// `a=1 b=2`.
pub(crate) fn labels(labels: &Map<String, Value>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
}
