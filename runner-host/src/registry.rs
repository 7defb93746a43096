//! Which of the linked kinds this machine can run, by the tools that they need.

use std::collections::BTreeMap;
use std::path::PathBuf;

use executor_api::{ExecutorPlugin, ExecutorRegistry, JobSettings, Tool};
use wire::{KindInfo, RunnerWork};

use crate::known_versions::KnownVersions;
use crate::tool_probe::{FoundTool, look};

/// A kind, and what this machine has for it.
pub(crate) struct KindHere {
    /// The kind.
    pub(crate) plugin: &'static ExecutorPlugin,
    /// Its tools, in its order.
    pub(crate) tools: Vec<FoundTool>,
}

/// What this machine can run.
pub(crate) struct Capabilities(Vec<KindHere>);

/// All tools that the linked kinds need, sorted by name: one entry for each range that a kind asks for.
pub async fn find_tools(registry: &ExecutorRegistry, settings: &JobSettings) -> Vec<FoundTool> {
    look_for(registry, settings, &KnownVersions::default()).await.into_values().collect()
}

type Found = BTreeMap<(&'static str, &'static str), FoundTool>;

/// Looks for every tool once, all at the same time.
async fn look_for(registry: &ExecutorRegistry, settings: &JobSettings, known: &KnownVersions) -> Found {
    let mut tools: BTreeMap<_, Tool> = BTreeMap::new();
    for tool in registry.iter().flat_map(|plugin| plugin.tools()) {
        tools.insert((tool.name, tool.versions), *tool);
    }
    let asked = tools.into_iter().map(|(key, tool)| async move { (key, look(&tool, settings, known).await) });
    futures_util::future::join_all(asked).await.into_iter().collect()
}

impl Capabilities {
    /// Looks for every tool of every kind.
    pub(crate) async fn probe(registry: &ExecutorRegistry, settings: &JobSettings, known: &KnownVersions) -> Self {
        let found = look_for(registry, settings, known).await;
        let tools_of = |plugin: &ExecutorPlugin| {
            let tools = plugin.tools().iter();
            tools.filter_map(|tool| found.get(&(tool.name, tool.versions)).cloned()).collect()
        };
        Self(registry.iter().map(|plugin| KindHere { plugin, tools: tools_of(plugin) }).collect())
    }

    /// All linked kinds, whether they can run here or not.
    pub(crate) fn all(&self) -> &[KindHere] {
        &self.0
    }

    fn usable(&self) -> impl Iterator<Item = &KindHere> {
        self.0.iter().filter(|here| here.why_not().is_none())
    }

    /// The names of the kinds that can run here.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.usable().map(|here| here.plugin.kind().to_owned()).collect()
    }

    /// What is published of them. Made when it is asked for: with their schemas they are large.
    pub(crate) fn published(&self) -> Vec<KindInfo> {
        self.usable().map(KindHere::info).collect()
    }

    /// All that cannot run here, and why.
    pub(crate) fn all_missing(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(|here| Some((here.plugin.kind(), here.why_not()?)))
    }

    /// The programs that were chosen over the PATH for a kind, by tool: its jobs are to get the same.
    pub(crate) fn chosen_for(&self, kind: &str) -> impl Iterator<Item = (String, PathBuf)> {
        let tools = self.0.iter().filter(move |here| here.plugin.kind() == kind).flat_map(|here| &here.tools);
        let chosen = tools.filter(|tool| tool.is_installed && tool.problem.is_none());
        chosen.filter_map(|tool| Some((tool.name.to_owned(), tool.program.clone()?)))
    }
}

impl KindHere {
    /// What it publishes, with the versions found.
    pub(crate) fn info(&self) -> KindInfo {
        let mut info = self.plugin.info();
        for (tool, shown) in self.tools.iter().zip(&mut info.tools) {
            shown.found = tool.version.as_ref().filter(|_| tool.problem.is_none()).map(ToString::to_string);
        }
        info
    }

    /// Its name for people, with its second spelling; none of that one, which is no kind of its own.
    pub(crate) fn listed_as(&self) -> Option<String> {
        let kind = self.plugin.kind();
        match RunnerWork::of(kind) {
            None => Some(kind.to_owned()),
            Some(work) if kind == work.job_type() => Some(format!("{kind} (also {})", work.seeds_job_type())),
            Some(_) => None,
        }
    }

    /// Why it cannot run here; none if it can.
    pub(crate) fn why_not(&self) -> Option<String> {
        let problems: Vec<_> = self.tools.iter().filter_map(|tool| tool.problem.as_deref()).collect();
        let one_is_enough = self.plugin.needs_any_tool();
        let one_is_there = one_is_enough && problems.len() < self.tools.len();
        if problems.is_empty() || one_is_there {
            return None;
        }
        Some(problems.join(if one_is_enough { " and " } else { "; " }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use async_trait::async_trait;
    use executor_api::{Executor, ExecutorError, JobContext, Outcome};

    use super::*;

    /// Ends well at once.
    pub(crate) struct Idle;

    #[async_trait]
    impl Executor for Idle {
        async fn execute(&self, _: &JobContext) -> Result<Outcome, ExecutorError> {
            Ok(Outcome::success())
        }
    }

    const fn tool(name: &'static str, versions: &'static str) -> Tool {
        Tool { name, versions, version_args: &[] }
    }

    static OLD: ExecutorPlugin = ExecutorPlugin::new::<()>("old", &Idle).needs(&[tool("one", "<2")]);
    static NEW: ExecutorPlugin = ExecutorPlugin::new::<()>("new", &Idle).needs(&[tool("one", ">=2"), tool("two", "*")]);
    static ANY: ExecutorPlugin =
        ExecutorPlugin::new::<()>("any", &Idle).needs_any(&[tool("two", "*"), tool("one", "*")]);
    static NONE: ExecutorPlugin = ExecutorPlugin::new::<()>("none", &Idle);

    fn script(dir: &Path, name: &str, version: &str) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(name), format!("#!/bin/sh\necho {version}\n")).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn kinds_are_offered_by_the_tools_that_each_of_them_needs() {
        let (path, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        script(path.path(), "one", "1.0.0");
        let env = [("PATH".to_owned(), path.path().display().to_string())].into();
        let settings = JobSettings { env, tools_dir: Some(tools.path().to_owned()), ..JobSettings::default() };
        let registry = ExecutorRegistry::new([&OLD, &NEW, &ANY, &NONE]).unwrap();
        let known = KnownVersions::default();

        let here = Capabilities::probe(&registry, &settings, &known).await;
        assert_eq!(here.kinds(), ["any", "none", "old"]);
        let (kind, why) = here.all_missing().next().unwrap();
        assert_eq!(kind, "new");
        assert!(why.contains("one is version 1.0.0, needed is >=2; two is not on the PATH"), "{why}");
        assert_eq!(here.chosen_for("any").next(), None);

        for (name, version) in [("one", "2.1.0"), ("two", "0.1.0")] {
            script(&tools.path().join(name).join(version), name, version);
        }
        let here = Capabilities::probe(&registry, &settings, &known).await;
        assert_eq!(here.kinds(), ["any", "new", "none", "old"]);
        let (one, two) = (tools.path().join("one/2.1.0/one"), tools.path().join("two/0.1.0/two"));
        let chosen = |kind: &str| here.chosen_for(kind).collect::<BTreeMap<_, _>>();
        assert_eq!(chosen("new"), [("one".to_owned(), one), ("two".to_owned(), two.clone())].into());
        assert_eq!(chosen("any"), [("two".to_owned(), two)].into());
        assert_eq!(chosen("old"), BTreeMap::new(), "what is on the PATH will do");
        let published = here.published().into_iter().find(|info| info.kind == "any").unwrap();
        let found: Vec<_> = published.tools.iter().map(|tool| tool.found.as_deref()).collect();
        assert_eq!(found, [Some("0.1.0"), Some("1.0.0")]);
    }
}
