//! Turns flags and variables into a [`Config`] and gathers everything that is wrong with them.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};
use wire::{RunnerId, RunnerMode};

use super::{Config, ConfigError, DEFAULT_LOG_LIMIT, TOOLS, Variables};
use crate::command::StartArgs;
use crate::{origin, token};

/// A timer beyond this is a typing error.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) struct Reader<'a> {
    args: &'a StartArgs,
    variables: &'a Variables,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(args: &'a StartArgs, variables: &'a Variables) -> Self {
        Self { args, variables, problems: Vec::new() }
    }

    pub(super) fn read(mut self) -> Result<Config, ConfigError> {
        let origin = self.origin();
        let runner_id = self.runner_id();
        let token = self.token();
        let mode = self.parsed("ALETHIA_WORKER_MODE", "ALETHIA_RUNNER_MODE", RunnerMode::SelfHosted);
        let state_dir = self.state_dir();
        let slots = self.slots();
        let labels = self.labels();
        let drain_timeout = self.duration("ALETHIA_DRAIN_TIMEOUT", self.args.drain_timeout.as_deref());
        let idle_exit = self.duration("ALETHIA_IDLE_EXIT", self.args.idle_exit.as_deref());
        let once = self.switch("ALETHIA_ONCE", self.args.once);
        let handover = self.switch("ALETHIA_HANDOVER", self.args.handover);
        let log_limit_bytes = self.log_limit();
        self.check_job_settings();
        self.problems.extend(crate::cloud::problems(self.variables, mode));
        match (origin, runner_id, token, state_dir) {
            (Some(origin), Some(runner_id), Some(token), Some(state_dir)) if self.problems.is_empty() => Ok(Config {
                origin,
                runner_id,
                token,
                mode,
                state_dir,
                slots,
                labels,
                drain_timeout: drain_timeout.unwrap_or(Duration::from_secs(600)),
                once,
                idle_exit,
                handover,
                log_limit_bytes,
                job_settings: Config::job_settings(self.variables),
                ambient: self.variables.ambient(),
                ecs_agent: self.variables.get("ECS_AGENT_URI").map(str::to_owned),
            }),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    fn problem<T>(&mut self, text: impl Into<String>) -> Option<T> {
        self.problems.push(text.into());
        None
    }

    fn origin(&mut self) -> Option<String> {
        let text = self.args.origin.as_deref().or_else(|| self.variables.get("ALETHIA_WEB_ORIGIN"));
        let Some(text) = text else {
            return self.problem("ALETHIA_WEB_ORIGIN is not set; set it to the control plane's address, for example https://alethia.example.com");
        };
        let allow_http = self.switch("ALETHIA_ALLOW_HTTP", false);
        match origin::checked(text, allow_http) {
            Ok(origin) => Some(origin),
            Err(why) => self.problem(format!("ALETHIA_WEB_ORIGIN {why}")),
        }
    }

    fn runner_id(&mut self) -> Option<RunnerId> {
        match self.either("ALETHIA_WORKER_ID", "ALETHIA_RUNNER_ID") {
            None => self.problem("ALETHIA_WORKER_ID is not set; `alethia runner register` prints it"),
            Some(text) => match text.trim().parse() {
                Ok(id) => Some(id),
                Err(error) => self.problem(format!("ALETHIA_WORKER_ID is not an id: {error}")),
            },
        }
    }

    fn token(&mut self) -> Option<SecretString> {
        let file = self.args.token_file.clone();
        let file =
            file.or_else(|| self.either("ALETHIA_WORKER_TOKEN_FILE", "ALETHIA_RUNNER_TOKEN_FILE").map(PathBuf::from));
        let direct = self.either("ALETHIA_WORKER_TOKEN", "ALETHIA_RUNNER_TOKEN").map(str::to_owned);
        let read = match (file, direct) {
            (Some(_), Some(_)) => Err("ALETHIA_WORKER_TOKEN and ALETHIA_WORKER_TOKEN_FILE are both set; keep one".to_owned()),
            (Some(file), None) => token::in_file(&file).map_err(|why| format!("ALETHIA_WORKER_TOKEN_FILE: {} {why}", file.display())),
            (None, Some(token)) => token::checked(&token).map_err(|why| format!("ALETHIA_WORKER_TOKEN {why}")),
            (None, None) => Err("ALETHIA_WORKER_TOKEN is not set; set it or ALETHIA_WORKER_TOKEN_FILE to what `alethia runner register` printed".to_owned()),
        };
        match read {
            Ok(token) => Some(token),
            Err(why) => self.problem(why),
        }
    }

    fn state_dir(&mut self) -> Option<PathBuf> {
        if let Some(dir) =
            self.args.state_dir.clone().or_else(|| self.variables.get("ALETHIA_STATE_DIR").map(PathBuf::from))
        {
            return Some(dir);
        }
        let xdg = self.variables.get("XDG_STATE_HOME").map(PathBuf::from);
        let home = || self.variables.get("HOME").map(|home| Path::new(home).join(".local/state"));
        match xdg.or_else(home) {
            Some(base) => Some(base.join("alethia/runner")),
            None => self.problem("ALETHIA_STATE_DIR is not set and there is no HOME; set it to a folder for jobs"),
        }
    }

    fn slots(&mut self) -> usize {
        let text = self.args.slots.as_deref().or_else(|| self.variables.get("ALETHIA_SLOTS"));
        match text.map_or(Ok(1), str::parse) {
            Ok(slots @ 1..=256) => slots,
            _ => {
                self.problems.push("ALETHIA_SLOTS is not a whole number from 1 to 256".to_owned());
                1
            }
        }
    }

    fn labels(&mut self) -> Map<String, Value> {
        let from_env =
            self.variables.get("ALETHIA_LABELS").unwrap_or_default().split(',').filter(|l| !l.trim().is_empty());
        let all: Vec<String> = from_env.map(str::to_owned).chain(self.args.labels.iter().cloned()).collect();
        let mut labels = Map::new();
        for label in all {
            match label.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some((key, value)) if !key.is_empty() => {
                    labels.insert(key.to_owned(), Value::String(value.to_owned()));
                }
                _ => self.problems.push(format!("ALETHIA_LABELS has {label:?}, which is not of the form key=value")),
            }
        }
        labels
    }

    fn duration(&mut self, name: &str, flag: Option<&str>) -> Option<Duration> {
        let text = flag.or_else(|| self.variables.get(name))?;
        match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() && duration <= LONGEST => Some(duration),
            Ok(_) => self.problem(format!("{name} must be more than 0 and at most 30 days, not {text:?}")),
            Err(_) => self.problem(format!("{name} is not a duration such as 90s, 10m or 1h, but {text:?}")),
        }
    }

    fn switch(&mut self, name: &str, flag: bool) -> bool {
        match self.variables.switch(name) {
            Ok(said) => said || flag,
            Err(why) => self.problem::<bool>(why).unwrap_or(flag),
        }
    }

    fn parsed<T: FromStr>(&mut self, seed: &str, later: &str, default: T) -> T
    where
        T::Err: std::fmt::Display,
    {
        match self.either(seed, later).map(str::parse::<T>) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.problems.push(format!("{seed}: {error}"));
                default
            }
        }
    }

    fn log_limit(&mut self) -> u64 {
        match self.variables.get("ALETHIA_JOB_LOG_LIMIT").map(str::parse) {
            None => DEFAULT_LOG_LIMIT,
            Some(Ok(bytes)) if bytes >= 4096 => bytes,
            Some(_) => {
                self.problems.push("ALETHIA_JOB_LOG_LIMIT is not a number of bytes of at least 4096".to_owned());
                DEFAULT_LOG_LIMIT
            }
        }
    }

    fn check_job_settings(&mut self) {
        for name in TOOLS.iter().map(|(_, name)| *name).chain(["ALETHIA_CACHE_DIR", "ALETHIA_PROVIDER_MIRROR"]) {
            if self.variables.get(name).is_some_and(|path| !Path::new(path).is_absolute()) {
                self.problems.push(format!("{name} is not an absolute path"));
            }
        }
        self.problems.extend(self.variables.plan_ttl().err());
        self.problems.extend(self.variables.create_buckets().err());
        let pairs = [
            ("SUPABASE_S3_ENDPOINT", "ALETHIA_STORAGE_ENDPOINT"),
            ("SUPABASE_S3_REGION", "ALETHIA_STORAGE_REGION"),
            ("SUPABASE_STORAGE_KEY_ID", "ALETHIA_STORAGE_ACCESS_KEY_ID"),
            ("SUPABASE_STORAGE_SECRET_KEY", "ALETHIA_STORAGE_SECRET_ACCESS_KEY"),
        ];
        let missing: Vec<&str> =
            pairs.iter().filter(|(seed, later)| self.either(seed, later).is_none()).map(|(seed, _)| *seed).collect();
        if !missing.is_empty() && missing.len() < pairs.len() {
            self.problems.push(format!("the S3 storage is set in part; set {} too, or none", missing.join(", ")));
        }
    }

    fn either(&self, seed: &str, later: &str) -> Option<&'a str> {
        self.variables.get(seed).or_else(|| self.variables.get(later))
    }
}
