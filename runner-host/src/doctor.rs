//! `doctor`: everything that `start` needs, checked and said in one go.
//!
//! What would stop a runner is a failure. A kind whose tools are missing is not: it is not offered, and a runner without
//! helm serves all who want no helm.

use std::process::ExitCode;

use executor_api::ExecutorRegistry;

use crate::command::{EXIT_CONFIG, StartArgs};
use crate::config::{Config, Variables};
use crate::known_versions::KnownVersions;
use crate::registry::{Capabilities, KindHere};
use crate::remedy;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Good,
    Warning,
    Failure,
}

/// Prints one line per check. Fails if one of them would stop a runner.
pub(crate) async fn check(args: &StartArgs, variables: &Variables) -> ExitCode {
    let mut findings: Vec<_> = variables.unknown().into_iter().map(|text| (Finding::Warning, text)).collect();
    match Config::read(args, variables) {
        Ok(config) => {
            findings.push((Finding::Good, format!("settings: {} as runner {}", config.origin, config.runner_id)));
        }
        Err(error) => findings.extend(error.problems.into_iter().map(|problem| (Finding::Failure, problem))),
    }
    match ExecutorRegistry::from_linked() {
        Ok(registry) => {
            let settings = Config::job_settings(variables);
            let capabilities = Capabilities::probe(&registry, &settings, &KnownVersions::default()).await;
            findings.extend(about(capabilities.all()));
        }
        Err(error) => findings.push((Finding::Failure, error.to_string())),
    }
    for (finding, text) in &findings {
        println!("{} {text}", finding.word());
    }
    let is_sound = findings.iter().all(|(finding, _)| *finding != Finding::Failure);
    if is_sound { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) }
}

/// One finding per kind, and one if there is none to offer.
fn about(kinds: &[KindHere]) -> Vec<(Finding, String)> {
    let mut findings: Vec<_> = kinds.iter().map(about_kind).collect();
    if !findings.iter().any(|(finding, _)| *finding == Finding::Good) {
        findings.push((
            Finding::Failure,
            "no kind of job can run here, and a runner without any does not start".to_owned(),
        ));
    }
    findings
}

fn about_kind(kind: &KindHere) -> (Finding, String) {
    if let Some(why) = remedy::of_kind(kind) {
        return (
            Finding::Warning,
            format!("kind {} is not offered: {why}, then start the runner again", kind.plugin.kind()),
        );
    }
    let tools: Vec<_> = kind
        .tools
        .iter()
        .filter_map(|tool| {
            let (version, program) = (tool.version.as_ref()?, tool.program.as_ref()?);
            tool.problem.is_none().then(|| format!("{} {version} ({})", tool.name, program.display()))
        })
        .collect();
    let with = if tools.is_empty() { String::new() } else { format!(": {}", tools.join(", ")) };
    (Finding::Good, format!("kind {}{with}", kind.plugin.kind()))
}

impl Finding {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok  ",
            Self::Warning => "warn",
            Self::Failure => "FAIL",
        }
    }
}

#[cfg(test)]
mod tests {
    use executor_api::ExecutorPlugin;

    use super::*;
    use crate::registry::tests::Idle;
    use crate::tool_probe::FoundTool;

    fn kind(name: &'static str, one_is_enough: bool, tools: Vec<FoundTool>) -> KindHere {
        let plugin = ExecutorPlugin::new::<()>(name, &Idle);
        let plugin = if one_is_enough { plugin.needs_any(&[]) } else { plugin };
        KindHere { plugin: Box::leak(Box::new(plugin)), tools }
    }

    fn tool(name: &'static str, version: Option<&str>, problem: Option<&str>) -> FoundTool {
        FoundTool {
            name,
            needed: ">=1",
            program: version.map(|_| "/bin/tool".into()),
            version: version.map(|version| version.parse().unwrap()),
            is_installed: false,
            problem: problem.map(str::to_owned),
        }
    }

    #[test]
    fn a_runner_without_helm_is_not_broken() {
        let findings = about(&[
            kind("helm", false, vec![tool("helm", None, Some("helm is not on the PATH (/bin)"))]),
            kind("odd", false, vec![tool("odd", Some("0.1.0"), Some("odd is version 0.1.0, needed is >=1"))]),
            kind("plain", false, vec![]),
            kind("stack", true, vec![tool("terraform", Some("1.11.4"), None), tool("tofu", None, Some("not there"))]),
        ]);
        let said: Vec<_> = findings.iter().map(|(finding, text)| format!("{} {text}", finding.word())).collect();
        assert!(said[0].starts_with(
            "warn kind helm is not offered: helm is not on the PATH (/bin); run `alethia tools install helm@"
        ));
        assert!(said[0].ends_with("`, or put a helm >=1 on the PATH, then start the runner again"), "{}", said[0]);
        assert!(
            said[1].ends_with("needed is >=1; put a odd >=1 on the PATH, then start the runner again"),
            "{}",
            said[1]
        );
        assert_eq!(said[2..], ["ok   kind plain", "ok   kind stack: terraform 1.11.4 (/bin/tool)"]);
    }

    #[test]
    fn a_runner_that_can_run_nothing_is() {
        let findings = about(&[kind("helm", false, vec![tool("helm", None, Some("gone"))])]);
        assert_eq!(findings.last().unwrap().0, Finding::Failure);
        assert_eq!(about(&[])[0].0, Finding::Failure);
    }
}
