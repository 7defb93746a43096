//! The settings of a runner, and the only place that reads the environment.

mod checks;
mod names;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use executor_api::{Ambient, JobSettings, StorageSettings};
use secrecy::SecretString;
use serde_json::{Map, Value};
use wire::{RunnerId, RunnerMode};

use crate::command::StartArgs;

pub use names::{PASSED_ON, SURROUNDINGS, VARIABLES};

/// Where the operator says which program a tool is.
const TOOLS: &[(&str, &str)] = &[
    ("terraform", "ALETHIA_TERRAFORM"),
    ("tofu", "ALETHIA_TOFU"),
    ("helm", "ALETHIA_HELM"),
    ("kubectl", "ALETHIA_KUBECTL"),
    ("argocd", "ALETHIA_ARGOCD"),
    ("infracost", "ALETHIA_INFRACOST"),
];

/// What only this process may know, also where jobs run as the same user.
pub(crate) const SECRETS: &[&str] = &["ALETHIA_WORKER_TOKEN", "ALETHIA_RUNNER_TOKEN", "ALETHIA_TOKEN"];

/// Where tools are looked up if the runner has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_LOG_LIMIT: u64 = 4 << 30;

/// Settings of one runner.
#[derive(Clone, Debug)]
pub struct Config {
    /// The control plane: scheme, host and port, without a trailing slash.
    pub origin: String,
    /// Who we are there.
    pub runner_id: RunnerId,
    /// Our secret there. Stays in this process's memory.
    pub token: SecretString,
    /// Whom we work for.
    pub mode: RunnerMode,
    /// Where jobs are kept; one runner per folder.
    pub state_dir: PathBuf,
    /// How many jobs run at once.
    pub slots: usize,
    /// What we offer to jobs that ask for it.
    pub labels: Map<String, Value>,
    /// How long running jobs have after the first signal.
    pub drain_timeout: Duration,
    /// Leave after one job.
    pub once: bool,
    /// Leave when there was no job for this long.
    pub idle_exit: Option<Duration>,
    /// On a signal, leave running jobs to the next runner.
    pub handover: bool,
    /// The most that is kept of one job's log.
    pub log_limit_bytes: u64,
    /// What jobs may know of all this.
    pub job_settings: JobSettings,
    /// Who we are at a cloud. Job processes get it; their tools do not.
    pub ambient: Ambient,
    /// The agent of the ECS task that we are in (`ECS_AGENT_URI`, which ECS sets).
    pub ecs_agent: Option<String>,
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not usable:\n{}", problems.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// One sentence each, with variable and remedy.
    pub problems: Vec<String>,
}

impl Config {
    /// Settings for a runner inside another program, for example `alethia demo`: the defaults, and what jobs get is
    /// read from this process's environment.
    #[must_use]
    pub fn new(origin: impl Into<String>, runner_id: RunnerId, token: SecretString, state_dir: PathBuf) -> Self {
        Self {
            origin: origin.into().trim_end_matches('/').to_owned(),
            runner_id,
            token,
            mode: RunnerMode::SelfHosted,
            state_dir,
            slots: 1,
            labels: Map::new(),
            drain_timeout: Duration::from_secs(600),
            once: false,
            idle_exit: None,
            handover: false,
            log_limit_bytes: DEFAULT_LOG_LIMIT,
            job_settings: Self::job_settings(&Variables::of_process()),
            ambient: Variables::of_process().ambient(),
            ecs_agent: None,
        }
    }

    /// Flags first, then variables, then defaults.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(args: &StartArgs, variables: &Variables) -> Result<Self, ConfigError> {
        checks::Reader::new(args, variables).read()
    }

    /// What jobs may know of the environment. Wrong values are [`Self::read`]'s to refuse.
    #[must_use]
    pub fn job_settings(variables: &Variables) -> JobSettings {
        let mut env = variables.passed_on();
        env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        let tools = TOOLS.iter().filter_map(|(tool, name)| Some(((*tool).to_owned(), variables.get(name)?.into())));
        let cloud = crate::cloud::settings(variables);
        JobSettings {
            env,
            plane: None,
            // A stack can run programs: on a runner of many organisations it would reach the states of all of them.
            storage: variables.storage().filter(|_| !cloud.is_shared),
            infracost_api_key: variables.get("INFRACOST_API_KEY").map(str::to_owned),
            cache_dir: variables.get("ALETHIA_CACHE_DIR").map(PathBuf::from),
            provider_mirror: variables.get("ALETHIA_PROVIDER_MIRROR").map(PathBuf::from),
            state_bucket: variables.get("ALETHIA_STATE_BUCKET").map(str::to_owned),
            local_states: None,
            plan_ttl_s: variables.plan_ttl().ok().flatten().map(|ttl| ttl.as_secs()),
            tools: tools.collect(),
            tools_dir: variables.cache_dir().map(|dir| dir.join("tools")),
            cloud,
        }
    }
}

/// The environment, as a value: tests bring their own.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process. A variable that is not UTF-8 is none of ours.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |name: OsString, value: OsString| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self(std::env::vars_os().filter_map(|(name, value)| text(name, value)).collect())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A variable that is set and not empty. One of those that are documented, and no other.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(names::is_known(name), "{name} is not in config/names.rs, and so in no documentation");
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a switch is set, and not to `false`.
    ///
    /// # Errors
    /// What is wrong, with the variable's name.
    pub fn switch(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(format!("{name} is true or false, not {other:?}")),
        }
    }

    /// Where what can be fetched again is kept: the operator's choice, else the XDG cache folder of this user.
    fn cache_dir(&self) -> Option<PathBuf> {
        let absolute = |name: &str| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let users = || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        absolute("ALETHIA_CACHE_DIR").or_else(|| Some(users()?.join("alethia")))
    }

    /// Where a run without a control plane keeps what cannot be fetched again: the XDG data folder of this user.
    #[must_use]
    pub fn data_dir(&self) -> Option<PathBuf> {
        let absolute = |name: &str| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let users = || Some(absolute("HOME")?.join(".local/share"));
        Some(absolute("XDG_DATA_HOME").or_else(users)?.join("alethia"))
    }

    /// How long a plan may be applied, if that is said.
    fn plan_ttl(&self) -> Result<Option<Duration>, String> {
        let Some(text) = self.get("ALETHIA_PLAN_TTL") else { return Ok(None) };
        let ttl = humantime::parse_duration(text).ok().filter(|ttl| ttl.as_secs() > 0);
        ttl.map(Some).ok_or_else(|| format!("ALETHIA_PLAN_TTL is not a duration such as 24h, but {text:?}"))
    }

    /// The filter of the runner's own messages, as `tracing` reads it.
    #[must_use]
    pub fn log_filter(&self) -> String {
        self.get("ALETHIA_LOG").unwrap_or("info").to_owned()
    }

    /// One warning per variable with our prefix that nothing reads.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        let ours = self.0.keys().filter(|name| name.starts_with("ALETHIA_") && !VARIABLES.contains(&name.as_str()));
        ours.map(|name| {
            let near = VARIABLES.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
            let hint = near.map(|(_, known)| format!("; did you mean {known}?")).unwrap_or_default();
            format!("nothing reads the variable {name}{hint}")
        })
        .collect()
    }

    /// What tools inherit: a fixed list, and what the operator names (`NAME` or `PREFIX*`) in `ALETHIA_JOB_ENV`.
    fn passed_on(&self) -> BTreeMap<String, String> {
        let asked: Vec<&str> = self.get("ALETHIA_JOB_ENV").unwrap_or_default().split(',').map(str::trim).collect();
        let is_asked = |name: &str| {
            asked.iter().any(|entry| match entry.strip_suffix('*') {
                Some(prefix) => !prefix.is_empty() && name.starts_with(prefix),
                None => *entry == name,
            })
        };
        let passes = |name: &str| PASSED_ON.contains(&name) || is_asked(name) && !is_runner_secret(name);
        self.0.iter().filter(|(name, _)| passes(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    pub(crate) fn storage(&self) -> Option<StorageSettings> {
        let either = |seed: &str, later: &str| self.get(seed).or_else(|| self.get(later)).map(str::to_owned);
        Some(StorageSettings {
            endpoint: either("SUPABASE_S3_ENDPOINT", "ALETHIA_STORAGE_ENDPOINT")?,
            region: either("SUPABASE_S3_REGION", "ALETHIA_STORAGE_REGION")?,
            key_id: either("SUPABASE_STORAGE_KEY_ID", "ALETHIA_STORAGE_ACCESS_KEY_ID")?,
            secret_key: either("SUPABASE_STORAGE_SECRET_KEY", "ALETHIA_STORAGE_SECRET_ACCESS_KEY")?,
            // Who says something that cannot be read wants something else than what is done anyway.
            create_buckets: self.create_buckets().unwrap_or(false),
        })
    }

    /// Whether a bucket for states is made where it is missing. More words than other switches have: the contract's.
    fn create_buckets(&self) -> Result<bool, String> {
        let Some(text) = self.get("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS") else { return Ok(true) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("ALETHIA_STORAGE_AUTO_CREATE_BUCKETS is true or false, not {text:?}")),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// No allow-list of an operator can pass these on, not even `ALETHIA_*`.
fn is_runner_secret(name: &str) -> bool {
    name.starts_with("ALETHIA_") || name.starts_with("SUPABASE_") || name == "INFRACOST_API_KEY"
}
