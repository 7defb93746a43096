//! `doctor`: everything that `start` needs, checked and said in one go.
//!
//! What would stop a runner, or keep it from its jobs, is a failure. A kind whose tools are missing is not: it is not offered, and a runner without
//! helm serves all who want no helm.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use executor_api::ExecutorRegistry;
use reqwest::StatusCode;
use wire::JobId;

use crate::client::{Client, ClientError};
use crate::command::{EXIT_CONFIG, StartArgs};
use crate::config::{Config, Variables};
use crate::known_versions::KnownVersions;
use crate::registry::{Capabilities, KindHere};
use crate::{origin, remedy, state_directory};

/// No job has this id. Who asks for it hears whether he is known, and has changed nothing.
const NO_JOB: &str = "00000000-0000-0000-0000-000000000000";

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
            findings.push(about_plane(&config).await);
            findings.push(about_state_directory(&config));
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
        // Whoever reads only the first lines has closed the pipe.
        let _ = writeln!(std::io::stdout(), "{} {text}", finding.word());
    }
    let is_sound = findings.iter().all(|(finding, _)| *finding != Finding::Failure);
    if is_sound { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) }
}

async fn about_plane(config: &Config) -> (Finding, String) {
    let (finding, text) = match ask(config).await {
        Ok(()) | Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
            (Finding::Good, "it is there and accepts this runner".to_owned())
        }
        Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED, text, .. }) => (
            Finding::Failure,
            format!(
                "it is there, and does not accept this runner ({text}); check ALETHIA_WORKER_ID and \
                 ALETHIA_WORKER_TOKEN, or register the runner again"
            ),
        ),
        Err(error @ ClientError::Refused { .. }) => {
            (Finding::Warning, format!("it is there, and not well: {}", crate::chain(&error)))
        }
        Err(error @ ClientError::Unreachable(_)) => {
            let way = origin::proxy(&config.origin).unwrap_or_else(|| "the way there".to_owned());
            (Finding::Failure, format!("{}; check ALETHIA_WEB_ORIGIN and {way}", crate::chain(&error)))
        }
        Err(error) => {
            let why = crate::chain(&error);
            (Finding::Failure, format!("what answers there is not a control plane ({why}); check ALETHIA_WEB_ORIGIN"))
        }
    };
    (finding, format!("control plane {}: {text}", config.origin))
}

async fn ask(config: &Config) -> Result<(), ClientError> {
    let client = Client::new(&config.origin, &config.runner_id, &config.token).map_err(ClientError::Unreachable)?;
    let job: JobId = NO_JOB.parse().map_err(|error| ClientError::Nonsense(format!("{NO_JOB}: {error}")))?;
    client.job(&job).await.map(drop)
}

fn about_state_directory(config: &Config) -> (Finding, String) {
    let dir = config.state_dir.display();
    match state_directory::try_out(&config.state_dir) {
        Ok(()) => (Finding::Good, format!("state directory {dir}: there is room for a job")),
        Err(error) => {
            let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            let remedy = if is_full { "free some disk space there" } else { "make it writable" };
            let text = format!("state directory {dir}: {error}; {remedy}, or choose another with ALETHIA_STATE_DIR");
            (Finding::Failure, text)
        }
    }
}

/// One finding per kind, and one if there is none to offer.
fn about(kinds: &[KindHere]) -> Vec<(Finding, String)> {
    let mut findings: Vec<_> = kinds.iter().filter_map(|kind| Some(about_kind(kind, &kind.listed_as()?))).collect();
    if !findings.iter().any(|(finding, _)| *finding == Finding::Good) {
        findings.push((
            Finding::Failure,
            "no kind of job can run here, and a runner without any does not start".to_owned(),
        ));
    }
    findings
}

fn about_kind(kind: &KindHere, name: &str) -> (Finding, String) {
    if let Some(why) = remedy::of_kind(kind) {
        return (Finding::Warning, format!("kind {name} is not offered: {why}, then start the runner again"));
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
    (Finding::Good, format!("kind {name}{with}"))
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
    use axum::Router;
    use executor_api::ExecutorPlugin;
    use secrecy::SecretString;

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
            kind("helm", false, vec![tool("helm", None, Some("helm is not on the PATH"))]),
            kind("odd", false, vec![tool("odd", Some("0.1.0"), Some("odd is version 0.1.0, needed is >=1"))]),
            kind("plain", false, vec![]),
            kind("stack", true, vec![tool("terraform", Some("1.11.4"), None), tool("tofu", None, Some("not there"))]),
        ]);
        let said: Vec<_> = findings.iter().map(|(finding, text)| format!("{} {text}", finding.word())).collect();
        assert!(
            said[0].starts_with(
                "warn kind helm is not offered: helm is not on the PATH; run `alethia tools install helm@"
            )
        );
        assert!(said[0].ends_with("`, or put helm >=1 on the PATH, then start the runner again"), "{}", said[0]);
        assert!(
            said[1].ends_with("needed is >=1; put odd >=1 on the PATH, then start the runner again"),
            "{}",
            said[1]
        );
        assert_eq!(said[2..], ["ok   kind plain", "ok   kind stack: terraform 1.11.4 (/bin/tool)"]);
    }

    async fn of_a_plane_that_answers(status: u16, text: &'static str) -> (Finding, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let router = Router::new().fallback(move || async move { (status, text) });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        about_plane(&config(&origin, "/nowhere")).await
    }

    fn config(origin: &str, state_dir: impl Into<std::path::PathBuf>) -> Config {
        Config::new(origin, "r".parse().unwrap(), SecretString::from("t".to_owned()), state_dir.into())
    }

    #[tokio::test]
    async fn the_way_to_the_plane_is_tried() {
        for (status, text, finding, says) in [
            (404, r#"{"error":"there is no such job"}"#, Finding::Good, "accepts this runner"),
            (401, r#"{"error":"wrong token"}"#, Finding::Failure, "does not accept this runner (wrong token)"),
            (503, r#"{"error":"no database"}"#, Finding::Warning, "not well"),
            (404, "404 page not found", Finding::Failure, "not a control plane"),
            (401, "who are you?", Finding::Failure, "not a control plane"),
            (200, r#"{"status":"ok"}"#, Finding::Failure, "not a control plane"),
        ] {
            let found = of_a_plane_that_answers(status, text).await;
            assert!(found.0 == finding && found.1.contains(says), "{status} {text}: {found:?}");
        }
        let (finding, text) = about_plane(&config("http://127.0.0.1:1", "/nowhere")).await;
        assert!(finding == Finding::Failure && text.contains("cannot reach"), "{text}");
    }

    #[test]
    fn the_state_directory_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let of = |dir: &str| about_state_directory(&config("http://127.0.0.1:1", folder.path().join(dir)));
        assert_eq!(of("new/state").0, Finding::Good);
        assert_eq!(of("").0, Finding::Good);
        let (finding, text) = of("file/state");
        assert!(finding == Finding::Failure && text.contains("ALETHIA_STATE_DIR"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the file");
    }

    #[test]
    fn a_runner_that_can_run_nothing_is() {
        let findings = about(&[kind("helm", false, vec![tool("helm", None, Some("gone"))])]);
        assert_eq!(findings.last().unwrap().0, Finding::Failure);
        assert_eq!(about(&[])[0].0, Finding::Failure);
    }
}
