//! `kinds`: what this program can run, with its tools, and whether they are here.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use executor_api::{ExecutorRegistry, JobSettings};
use serde_json::{Value, json};

use crate::known_versions::KnownVersions;
use crate::registry::{Capabilities, KindHere};
use crate::remedy;
use crate::tool_probe::FoundTool;

/// Prints the linked kinds: a table for people, or one JSON document.
pub(crate) async fn print(registry: &ExecutorRegistry, settings: &JobSettings, json: bool) -> ExitCode {
    let capabilities = Capabilities::probe(registry, settings, &KnownVersions::default()).await;
    let text = if json { document(capabilities.all()) } else { people(capabilities.all()) };
    // Whoever reads only the first lines has closed the pipe.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// What each kind publishes, and what this machine has for it.
fn document(kinds: &[KindHere]) -> String {
    let kind = |kind: &KindHere| {
        let mut document = json!(kind.info());
        document["tools"] = kind.tools.iter().map(tool).collect();
        document["one_tool_is_enough"] = json!(kind.plugin.needs_any_tool());
        document["offered"] = json!(kind.why_not().is_none());
        document["why_not"] = json!(kind.why_not());
        document
    };
    format!("{:#}", kinds.iter().map(kind).collect::<Value>())
}

fn tool(tool: &FoundTool) -> Value {
    json!({
        "name": tool.name,
        "versions": tool.needed,
        "found": tool.version,
        "in_range": tool.problem.is_none(),
        "program": tool.program,
        "installed": tool.is_installed,
        "problem": tool.problem,
        "remedy": tool.problem.as_ref().map(|_| remedy::of(tool)),
    })
}

fn people(kinds: &[KindHere]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["KIND", "OFFERED", "TOOL", "FOUND", "NEEDED", "IN RANGE", "PROGRAM"]);
    for (kind, name) in kinds.iter().filter_map(|kind| Some((kind, kind.listed_as()?))) {
        let offered = if kind.why_not().is_none() { "yes" } else { "no" };
        let mut names = [name.as_str(), offered];
        if kind.tools.is_empty() {
            table.add_row(names.into_iter().chain(["-"; 5]));
        }
        for tool in &kind.tools {
            table.add_row(names.into_iter().map(str::to_owned).chain(cells(tool)));
            names = ["", ""];
        }
    }
    let table = table.to_string();
    let rows = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
    rows.chain(hints(kinds)).collect::<Vec<_>>().join("\n")
}

fn cells(tool: &FoundTool) -> [String; 5] {
    let none = || "-".to_owned();
    let in_range = match (&tool.program, &tool.problem) {
        (None, _) => "-",
        (Some(_), None) => "yes",
        (Some(_), Some(_)) => "no",
    };
    [
        tool.name.to_owned(),
        tool.version.as_ref().map_or_else(none, ToString::to_string),
        tool.needed.to_owned(),
        in_range.to_owned(),
        tool.program.as_ref().map_or_else(none, |program| program.display().to_string()),
    ]
}

/// Why a kind is not offered, and what to do about it.
fn hints(kinds: &[KindHere]) -> impl Iterator<Item = String> {
    kinds.iter().filter_map(|kind| Some(format!("{} is not offered: {}", kind.listed_as()?, remedy::of_kind(kind)?)))
}
