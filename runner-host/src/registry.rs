//! Which of the linked kinds this machine can run: their tools, looked up and asked for their versions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use executor_api::{Command, Environment, ExecutorPlugin, ExecutorRegistry, JobSettings, Tool};
use process_supervisor::{StopOrder, supervise};
use semver::{Version, VersionReq};
use tokio::sync::{mpsc, watch};
use wire::KindInfo;

use crate::known_versions::{KnownVersions, Stamp};

/// A tool that does not say its version in this time is not offered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this machine can run.
#[derive(Debug, Default)]
pub(crate) struct Capabilities {
    usable: Vec<KindInfo>,
    missing: BTreeMap<String, String>,
}

impl Capabilities {
    /// Looks for every tool once, all at the same time.
    pub(crate) async fn probe(registry: &ExecutorRegistry, settings: &JobSettings, known: &KnownVersions) -> Self {
        let mut tools: BTreeMap<&str, Tool> = BTreeMap::new();
        for tool in registry.iter().flat_map(|plugin| plugin.tools()) {
            tools.insert(tool.name, *tool);
        }
        let asked = tools.values().map(|tool| async { (tool.name, version_of(tool, settings, known).await) });
        let found: BTreeMap<_, _> = futures_util::future::join_all(asked).await.into_iter().collect();
        let mut capabilities = Self::default();
        for plugin in registry.iter() {
            capabilities.add(plugin, &found);
        }
        capabilities
    }

    fn add(&mut self, plugin: &ExecutorPlugin, found: &BTreeMap<&str, Result<Version, String>>) {
        let mut info = plugin.info();
        let mut problems = Vec::new();
        for (tool, shown) in plugin.tools().iter().zip(&mut info.tools) {
            match fitting(tool, found.get(tool.name)) {
                Ok(version) => shown.found = Some(version),
                Err(why) => problems.push(why),
            }
        }
        let one_is_enough = plugin.needs_any_tool() && problems.len() < plugin.tools().len();
        if problems.is_empty() || one_is_enough {
            self.usable.push(info);
        } else {
            let between = if plugin.needs_any_tool() { " and " } else { "; " };
            self.missing.insert(info.kind, problems.join(between));
        }
    }

    /// The kinds that can run here.
    pub(crate) fn usable(&self) -> &[KindInfo] {
        &self.usable
    }

    /// Their names.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.usable.iter().map(|info| info.kind.clone()).collect()
    }

    /// Why a kind cannot run here.
    pub(crate) fn missing(&self, kind: &str) -> Option<&str> {
        self.missing.get(kind).map(String::as_str)
    }

    /// All that cannot run here, and why.
    pub(crate) fn all_missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.missing.iter().map(|(kind, why)| (kind.as_str(), why.as_str()))
    }
}

fn fitting(tool: &Tool, found: Option<&Result<Version, String>>) -> Result<String, String> {
    let version = match found {
        Some(Ok(version)) => version,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err(format!("{} was not looked for", tool.name)),
    };
    match VersionReq::parse(tool.versions) {
        // A pre-release fits where its release would.
        Ok(wanted) if wanted.matches(&Version::new(version.major, version.minor, version.patch)) => {
            Ok(version.to_string())
        }
        Ok(_) => Err(format!("{} is version {version}, needed is {}", tool.name, tool.versions)),
        Err(error) => Err(format!("the kind asks for {} {:?}, which is no range: {error}", tool.name, tool.versions)),
    }
}

async fn version_of(tool: &Tool, settings: &JobSettings, known: &KnownVersions) -> Result<Version, String> {
    let program = program_of(tool, settings)?;
    let stamp = Stamp::of(&program);
    if let Some(version) = known.get(&program, stamp.as_ref()) {
        return Ok(version);
    }
    let version = ask(tool, program.clone(), settings).await?;
    known.put(&program, stamp, &version);
    Ok(version)
}

async fn ask(tool: &Tool, program: PathBuf, settings: &JobSettings) -> Result<Version, String> {
    let name = program.display().to_string();
    let mut env: Environment = settings.env.iter().collect();
    env.set("HOME", std::env::temp_dir()).set("CHECKPOINT_DISABLE", "1");
    let command = Command::new(program, env, std::env::temp_dir()).args(tool.version_args.iter().copied());
    let (output, mut received) = mpsc::channel(16);
    let (order, ordered) = watch::channel(None);
    let ended = supervise(&command, output, ordered);
    let printed = async {
        let mut printed = Vec::new();
        while let Some(output) = received.recv().await {
            // A version is short; the rest is read only so that the tool can end.
            if printed.len() < 64 * 1024 {
                printed.extend_from_slice(&output.bytes);
            }
        }
        printed
    };
    let both = async { tokio::join!(ended, printed) };
    tokio::pin!(both);
    let (exit, printed) = tokio::select! {
        both = &mut both => both,
        () = tokio::time::sleep(PATIENCE) => {
            order.send_replace(Some(StopOrder::Kill));
            let _ = both.await;
            return Err(format!("{name} did not say its version within {} s", PATIENCE.as_secs()));
        }
    };
    exit.map_err(|error| format!("{name} does not start: {}", crate::chain(&error)))?;
    first_version(&String::from_utf8_lossy(&printed)).ok_or_else(|| format!("{name} does not say its version"))
}

fn program_of(tool: &Tool, settings: &JobSettings) -> Result<PathBuf, String> {
    if let Some(program) = settings.tools.get(tool.name) {
        return Ok(program.clone());
    }
    let path = settings.env.get("PATH").map(String::as_str).unwrap_or_default();
    which::which_in(tool.name, Some(path), "/")
        .map_err(|_| format!("{} is not on the PATH ({path}); install version {}", tool.name, tool.versions))
}

/// The first thing in `text` that is a version: `"terraform_version": "1.10.3"`, `v3.12.1+gabc`, `git version 2.39.5`.
fn first_version(text: &str) -> Option<Version> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    text.split(|c: char| !is_part(c)).filter(|word| word.contains('.')).find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word).trim_end_matches('.');
        Version::parse(word).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_where_tools_hide_them() {
        let cases = [
            ("{\n  \"terraform_version\": \"1.10.3\",\n \"platform\": \"linux_amd64\"}", Some("1.10.3")),
            ("v3.12.1+gabc123", Some("3.12.1+gabc123")),
            ("git version 2.39.5", Some("2.39.5")),
            ("no version at all.", None),
        ];
        for (text, version) in cases {
            assert_eq!(first_version(text).map(|v| v.to_string()).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn a_tool_outside_its_range_does_not_fit() {
        let tool = Tool { name: "terraform", versions: ">=1.7, <2", version_args: &[] };
        assert!(fitting(&tool, Some(&Ok(Version::new(1, 10, 3)))).is_ok());
        assert!(fitting(&tool, Some(&Ok(Version::parse("1.9.0-rc1").unwrap()))).is_ok());
        assert!(fitting(&tool, Some(&Ok(Version::new(1, 6, 9)))).unwrap_err().contains("1.6.9"));
    }
}
