//! Who the runner is at a cloud, and how a job of it comes to be somebody there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use executor_api::{
    Ambient, CloudIdentity, CloudSettings, ExecutorError, ExecutorPlugin, Job, RunAs, is_cloud_variable,
};
use url::Url;
use wire::RunnerMode;

use crate::Variables;

/// AWS allows no shorter session, and no longer one.
const SESSION_SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;

/// What the operator set about clouds.
pub(crate) fn settings(variables: &Variables) -> CloudSettings {
    let is_on = |name: &str| matches!(variables.get(name), Some("true" | "1"));
    CloudSettings {
        ambient_identity: is_on("ALETHIA_AMBIENT_IDENTITY"),
        is_shared: is_cloud_hosted(variables),
        aws_session_s: session(variables).ok().flatten(),
        aws_session_tags: is_on("ALETHIA_AWS_SESSION_TAGS"),
        endpoints: endpoints(variables).unwrap_or_default(),
    }
}

fn is_cloud_hosted(variables: &Variables) -> bool {
    let said = variables.get("ALETHIA_WORKER_MODE").or_else(|| variables.get("ALETHIA_RUNNER_MODE"));
    said.and_then(|mode| mode.parse().ok()) == Some(RunnerMode::CloudHosted)
}

/// Everything that is wrong with it.
pub(crate) fn problems(variables: &Variables, mode: RunnerMode) -> Vec<String> {
    let mut problems: Vec<String> =
        [session(variables).err(), endpoints(variables).err()].into_iter().flatten().collect();
    for name in ["ALETHIA_AMBIENT_IDENTITY", "ALETHIA_AWS_SESSION_TAGS"] {
        if let Some(other) = variables.get(name).filter(|text| !matches!(*text, "true" | "1" | "false" | "0")) {
            problems.push(format!("{name} is true or false, not {other:?}"));
        }
    }
    if settings(variables).ambient_identity && mode == RunnerMode::CloudHosted {
        let why = "a cloud-hosted runner's jobs have no rights of the runner's own; take it out";
        problems.push(format!("ALETHIA_AMBIENT_IDENTITY is set, and {why}"));
    }
    problems
}

fn session(variables: &Variables) -> Result<Option<u32>, String> {
    let Some(text) = variables.get("ALETHIA_AWS_SESSION") else { return Ok(None) };
    let seconds = humantime::parse_duration(text).ok().and_then(|duration| u32::try_from(duration.as_secs()).ok());
    match seconds.filter(|seconds| SESSION_SECONDS.contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(format!("ALETHIA_AWS_SESSION is not a duration from 15m to 12h, but {text:?}")),
    }
}

fn endpoints(variables: &Variables) -> Result<BTreeMap<String, String>, String> {
    let text = variables.get("ALETHIA_CLOUD_ENDPOINTS").unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(|entry| endpoint(entry).ok_or(entry)).collect::<Result<_, _>>().map_err(|entry| {
        format!("ALETHIA_CLOUD_ENDPOINTS has {entry:?}, which is not of the form gcp.sts=https://sts.example.com")
    })
}

fn endpoint(entry: &str) -> Option<(String, String)> {
    let (name, url) = entry.split_once('=')?;
    let parsed = Url::parse(url.trim()).ok()?;
    let fits = name.contains('.') && parsed.has_host() && matches!(parsed.scheme(), "https" | "http");
    fits.then(|| (name.trim().to_owned(), parsed.as_str().trim_end_matches('/').to_owned()))
}

impl Variables {
    /// The variables by which this process is known at a cloud.
    #[must_use]
    pub fn ambient(&self) -> Ambient {
        let mut found: BTreeMap<&str, String> = self
            .iter()
            .filter(|(name, _)| is_cloud_variable(name))
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        // A job's process has another HOME.
        let home = self.get("HOME").map(Path::new);
        for (name, file) in [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")] {
            if let Some(file) = home.map(|home| home.join(file)).filter(|file| file.exists()) {
                found.entry(name).or_insert_with(|| file.display().to_string());
            }
        }
        found.into_iter().collect()
    }
}

/// Who a job is: as the plane says, or, where the operator lets it, as its payload says.
pub(crate) fn run_as(
    claimed: Option<CloudIdentity>,
    plugin: &ExecutorPlugin,
    job: &Job,
    settings: &CloudSettings,
    ambient: Ambient,
) -> Result<RunAs, ExecutorError> {
    let identity = match claimed {
        None if settings.ambient_identity => plugin.executor().identity(job)?,
        claimed => claimed,
    };
    Ok(RunAs { identity, ambient, program: own_program() })
}

/// This program. After an upgrade the new one is in its place, and knows the same hidden verbs.
fn own_program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let text = program.display().to_string();
    text.strip_suffix(" (deleted)").map_or(program, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_process_finds_what_lies_in_the_runners_home() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), "").unwrap();
        let variables: Variables =
            [("HOME", home.path().to_str().unwrap()), ("AWS_PROFILE", "p"), ("ALETHIA_TOKEN", "t"), ("PATH", "/")]
                .into_iter()
                .collect();
        let ambient = variables.ambient();
        let names: Vec<_> = ambient.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["AWS_CONFIG_FILE", "AWS_PROFILE"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("ALETHIA_AWS_SESSION", "1s"),
            ("ALETHIA_AWS_SESSION", "soon"),
            ("ALETHIA_CLOUD_ENDPOINTS", "gcp.sts"),
            ("ALETHIA_CLOUD_ENDPOINTS", "gcp.sts=file:///etc"),
            ("ALETHIA_AMBIENT_IDENTITY", "yes"),
            ("ALETHIA_AMBIENT_IDENTITY", "true"),
        ] {
            let variables: Variables = [(name, value)].into_iter().collect();
            let problems = problems(&variables, RunnerMode::CloudHosted);
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{name}={value}: {problems:?}");
        }
        let fine: Variables =
            [("ALETHIA_CLOUD_ENDPOINTS", "gcp.sts=http://127.0.0.1:1/, azure.login=https://l")].into_iter().collect();
        assert_eq!(problems(&fine, RunnerMode::SelfHosted), Vec::<String>::new());
        assert_eq!(settings(&fine).endpoints["gcp.sts"], "http://127.0.0.1:1");
    }
}
