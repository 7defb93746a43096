//! `tools`: the programs that jobs run, pinned and put beside each other on this machine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use executor_api::{ExecutorRegistry, InstalledTools};
use runner_host::{Config, FoundTool, Variables};
use semver::{Version, VersionReq};
use serde_json::{Value, json};
use tool_manager::{Mirror, Pin, PinError, Pins, Platform, ToolManager};

use crate::ending::{Ending, Misconfigured, Misused};
use crate::output;

#[derive(Subcommand)]
pub(crate) enum ToolsVerb {
    /// List the tools that kinds of job need: what is pinned, installed, on the PATH, and of use
    List(ListArgs),
    /// Fetch tools, check them against the pinned SHA-256, and put them beside the versions that are there
    Install(InstallArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Print one JSON document; it names the URL and SHA-256 of each file, for a mirror
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct InstallArgs {
    /// What to install: helm is the newest that can be used, helm@3.21 the newest of that line, helm@3.21.4 exactly that
    #[arg(value_name = "NAME[@VERSION]", required = true)]
    tools: Vec<String>,
    /// Where the files come from instead of the projects: an address or a folder with each file under its URL without
    /// https://
    #[arg(long, value_name = "URL|DIR", env = "ALETHIA_TOOLS_MIRROR")]
    mirror: Option<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(verb: ToolsVerb) -> anyhow::Result<ExitCode> {
    match verb {
        ToolsVerb::List(args) => list(&args).await?,
        ToolsVerb::Install(args) => install(&args).await?,
    }
    Ok(Ending::Done.into())
}

/// All that is known of one tool on this machine.
struct Shelf {
    name: String,
    /// As jobs find it; none if no kind of this program needs it.
    found: Option<FoundTool>,
    /// The versions that work, for each kind that needs other ones than the rest.
    needed: Vec<&'static str>,
    pins: Vec<Pin>,
    installed: Vec<Version>,
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let dir = tools_dir()?;
    let (pins, installed) = (Pins::known(), InstalledTools::at(&dir));
    let found = runner_host::find_tools(&registry()?, &Config::job_settings(&Variables::of_process())).await;
    let names: BTreeSet<_> = pins.names().chain(found.iter().map(|tool| tool.name)).map(str::to_owned).collect();
    let of = |name: &str| found.iter().filter(|tool| tool.name == name).collect::<Vec<_>>();
    let shelf = |name: String| Shelf {
        // One that is of no use to a kind says more than that others are content.
        found: of(&name).into_iter().max_by_key(|tool| tool.problem.is_some()).cloned(),
        needed: of(&name).into_iter().map(|tool| tool.needed).collect(),
        pins: pins.of(&name, Platform::of_this_program()),
        installed: installed.versions(&name),
        name,
    };
    let shelves: Vec<_> = names.into_iter().map(shelf).collect();
    if args.json {
        let tools: Vec<_> = shelves.iter().map(|shelf| shelf.document(&installed)).collect();
        return output::json(&json!({ "dir": dir, "tools": tools }));
    }
    let header = ["TOOL", "VERSION", "PINNED", "INSTALLED", "USED", "IN RANGE"];
    output::table(&header, shelves.iter().flat_map(Shelf::rows));
    for shelf in &shelves {
        if let Some(problem) = shelf.found.as_ref().and_then(|tool| tool.problem.as_ref()) {
            output::note(&format!("{}: {problem}", shelf.name));
        }
    }
    Ok(())
}

impl Shelf {
    /// Newest first.
    fn versions(&self) -> Vec<&Version> {
        let pinned = self.pins.iter().map(|pin| &pin.version);
        let all = pinned.chain(&self.installed).chain(self.found.iter().filter_map(|tool| tool.version.as_ref()));
        all.collect::<BTreeSet<_>>().into_iter().rev().collect()
    }

    fn pin(&self, version: &Version) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.version == *version)
    }

    fn is_used(&self, version: &Version) -> bool {
        self.found.as_ref().is_some_and(|tool| tool.version.as_ref() == Some(version))
    }

    /// None where no kind says what it needs.
    fn is_in_range(&self, version: &Version) -> Option<bool> {
        let version = Version::new(version.major, version.minor, version.patch);
        let fits = |needed: &&str| VersionReq::parse(needed).is_ok_and(|needed| needed.matches(&version));
        (!self.needed.is_empty()).then(|| self.needed.iter().all(fits))
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let yes = |is: bool| if is { "yes" } else { "-" }.to_owned();
        let row = |version: &Version| {
            let used = self.found.as_ref().filter(|_| self.is_used(version)).and_then(|tool| tool.program.as_ref());
            vec![
                self.name.clone(),
                version.to_string(),
                yes(self.pin(version).is_some()),
                yes(self.installed.contains(version)),
                used.map_or("-".to_owned(), |program| program.display().to_string()),
                self.is_in_range(version).map_or("-", |is| if is { "yes" } else { "no" }).to_owned(),
            ]
        };
        self.versions().into_iter().map(row).collect()
    }

    fn document(&self, installed: &InstalledTools) -> Value {
        let version = |version: &Version| {
            let pin = self.pin(version);
            let is_installed = self.installed.contains(version);
            json!({
                "version": version,
                "pinned": pin.is_some(),
                "url": pin.map(|pin| &pin.url),
                "sha256": pin.map(|pin| &pin.sha256),
                "installed": is_installed.then(|| installed.program(&self.name, version)),
                "used": self.is_used(version),
                "in_range": self.is_in_range(version),
            })
        };
        json!({
            "name": self.name,
            "needed": self.needed,
            "program": self.found.as_ref().and_then(|tool| tool.program.as_ref()),
            "problem": self.found.as_ref().and_then(|tool| tool.problem.as_ref()),
            "versions": self.versions().into_iter().map(version).collect::<Vec<_>>(),
        })
    }
}

async fn install(args: &InstallArgs) -> anyhow::Result<()> {
    let registry = registry()?;
    // All of it is understood before anything is fetched.
    let pins = args.tools.iter().map(|tool| chosen(&registry, tool)).collect::<Result<Vec<_>, _>>()?;
    let mirror = args.mirror.as_deref().filter(|text| !text.is_empty()).map_or(Ok(Mirror::None), Mirror::parse);
    let mirror = mirror.map_err(|error| Misconfigured(format!("ALETHIA_TOOLS_MIRROR or --mirror: {error}")))?;
    let manager = ToolManager::new(tools_dir()?, mirror)?;
    let mut done = Vec::new();
    for pin in &pins {
        let say = |text: &str| {
            if !args.json {
                output::note(text);
            }
        };
        let installed = manager.install(pin, &say).await?;
        if !args.json {
            let word = if installed.already { "is already" } else { "is now" };
            println!("{} {} {word} {}", pin.name, pin.version, installed.program.display());
        }
        done.push(json!({ "name": pin.name, "version": pin.version, "program": installed.program,
                          "already": installed.already, "sha256": pin.sha256 }));
    }
    if args.json { output::json(&json!({ "installed": done })) } else { Ok(()) }
}

fn chosen(registry: &ExecutorRegistry, tool: &str) -> Result<Pin, Misused> {
    let (name, version) = tool.split_once('@').map_or((tool, None), |(name, version)| (name, Some(version)));
    let tools = registry.iter().flat_map(|plugin| plugin.tools());
    let needed = tools.filter(|tool| tool.name == name).find_map(|tool| VersionReq::parse(tool.versions).ok());
    let chosen = Pins::known().choose(name, version, &needed.unwrap_or(VersionReq::STAR), Platform::of_this_program());
    chosen.map_err(|error: PinError| Misused(error.to_string()))
}

fn registry() -> anyhow::Result<ExecutorRegistry> {
    Ok(ExecutorRegistry::from_linked()?)
}

fn tools_dir() -> Result<PathBuf, Misconfigured> {
    let missing = || Misconfigured("there is no place for tools: set ALETHIA_CACHE_DIR to a folder".to_owned());
    Config::job_settings(&Variables::of_process()).tools_dir.ok_or_else(missing)
}
