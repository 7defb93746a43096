//! How a kind makes itself known: a static entry per kind, gathered at link time.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;
use wire::{Exclusive, Job, KindInfo, LossPolicy, ToolInfo};

use crate::{Executor, ExecutorError};

/// A whole number of minutes, for [`ExecutorPlugin::timeout`].
#[must_use]
pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A time to wait, as a payload spells it.
///
/// # Errors
/// [`ExecutorError::InvalidInput`] at `pointer`, if it is no time, or one that nobody means.
pub fn waiting_time(pointer: &str, text: &str) -> Result<Duration, ExecutorError> {
    let fits = |time: &Duration| (Duration::from_secs(1)..=minutes(6 * 60)).contains(time);
    humantime::parse_duration(text).ok().filter(fits).ok_or_else(|| {
        ExecutorError::invalid(pointer, "give a number and a unit from 1s to 6h, for example 90s or 10m")
    })
}

/// Refuses a waiting time of a payload that is longer than the job itself may run: the job would end before it.
///
/// # Errors
/// [`ExecutorError::InvalidInput`] at `pointer`, with the remedy.
pub fn check_timeout(pointer: &str, job: &Job, timeout: Duration) -> Result<(), ExecutorError> {
    let mut plugins = inventory::iter::<ExecutorPlugin>();
    let limit = plugins.find(|plugin| plugin.kind == job.job_type).map(|plugin| plugin.time_limit(job));
    match limit.filter(|limit| *limit < timeout) {
        None => Ok(()),
        Some(limit) => {
            let (timeout, limit) = (timeout.as_secs(), limit.as_secs());
            let why = format!(
                "these {timeout}s are longer than the job itself may run, {limit}s; submit it with a --timeout \
                 (`timeout_s`) of more than {timeout}s, or shorten this"
            );
            Err(ExecutorError::invalid(pointer, why))
        }
    }
}

/// A command-line tool that a kind needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    /// The versions that work, as a semver requirement, for example `>=1.7, <2`.
    pub versions: &'static str,
    /// Arguments that make it print its version, for example `["version", "-json"]`.
    pub version_args: &'static [&'static str],
}

/// A kind of job and the executor behind it.
pub struct ExecutorPlugin {
    kind: &'static str,
    summary: &'static str,
    executor: &'static dyn Executor,
    schema: fn() -> Value,
    loss: LossPolicy,
    timeout: Duration,
    grace: Duration,
    tools: &'static [Tool],
    any_of_tools: bool,
    exclusive: Option<(&'static str, &'static [&'static str])>,
}

inventory::collect!(ExecutorPlugin);

impl ExecutorPlugin {
    /// A kind whose payload is a `P`. By default it is never run again after its commit point, may run for an hour,
    /// has 30 s to stop, and needs no tool.
    #[must_use]
    pub const fn new<P: JsonSchema>(kind: &'static str, executor: &'static dyn Executor) -> Self {
        Self {
            kind,
            summary: "",
            executor,
            schema: schema_of::<P>,
            loss: LossPolicy::RequeueBeforeCommit,
            timeout: minutes(60),
            grace: Duration::from_secs(30),
            tools: &[],
            any_of_tools: false,
            exclusive: None,
        }
    }

    /// One sentence for lists.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What may happen to a job when its runner is lost.
    #[must_use]
    pub const fn loss(mut self, loss: LossPolicy) -> Self {
        self.loss = loss;
        self
    }

    /// How long a job may run where its submitter says nothing.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a tool has after the one SIGINT of a cancel before it gets SIGTERM.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Of its jobs that work on the same thing, one runs at a time; so do jobs of other kinds that name the same
    /// `thing`. The payload says which one it is at `pointers` (JSON pointers).
    #[must_use]
    pub const fn exclusive(mut self, thing: &'static str, pointers: &'static [&'static str]) -> Self {
        self.exclusive = Some((thing, pointers));
        self
    }

    /// The tools that it needs, all of them.
    #[must_use]
    pub const fn needs(mut self, tools: &'static [Tool]) -> Self {
        self.tools = tools;
        self
    }

    /// The tools of which it needs at least one.
    #[must_use]
    pub const fn needs_any(mut self, tools: &'static [Tool]) -> Self {
        self.tools = tools;
        self.any_of_tools = true;
        self
    }

    /// The key.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What runs its jobs.
    #[must_use]
    pub fn executor(&self) -> &'static dyn Executor {
        self.executor
    }

    /// How long a tool has to stop.
    #[must_use]
    pub fn cancel_grace(&self) -> Duration {
        self.grace
    }

    /// How long a job may run where its submitter says nothing.
    #[must_use]
    pub fn default_timeout(&self) -> Duration {
        self.timeout
    }

    /// How long this job may run: its submitter's word, or else that of the kind.
    #[must_use]
    pub fn time_limit(&self, job: &Job) -> Duration {
        job.timeout_s.map_or(self.timeout, Duration::from_secs)
    }

    /// What may happen to a job when its runner is lost.
    #[must_use]
    pub fn loss_policy(&self) -> LossPolicy {
        self.loss
    }

    /// The tools that it needs.
    #[must_use]
    pub fn tools(&self) -> &'static [Tool] {
        self.tools
    }

    /// Whether one of the tools is enough.
    #[must_use]
    pub fn needs_any_tool(&self) -> bool {
        self.any_of_tools
    }

    /// The secrets in a payload of this kind, as texts to hide. A document is not among them: it holds more than
    /// secrets, and whoever reads it hides those.
    #[must_use]
    pub fn secrets_in(&self, payload: &Value) -> Vec<String> {
        let places = wire::secret_places(&(self.schema)(), payload);
        let values =
            places.iter().filter(|place| !place.is_document).filter_map(|place| payload.pointer(&place.pointer));
        values.flat_map(wire::texts).collect()
    }

    /// What the runner publishes.
    #[must_use]
    pub fn info(&self) -> KindInfo {
        let tool =
            |tool: &Tool| ToolInfo { name: tool.name.to_owned(), versions: tool.versions.to_owned(), found: None };
        KindInfo {
            kind: self.kind.to_owned(),
            summary: self.summary.to_owned(),
            schema: (self.schema)(),
            loss: self.loss,
            timeout_s: self.timeout.as_secs(),
            grace_s: self.grace.as_secs(),
            tools: self.tools.iter().map(tool).collect(),
            exclusive: self.exclusive.map(|(thing, pointers)| Exclusive {
                thing: thing.to_owned(),
                pointers: pointers.iter().map(|pointer| (*pointer).to_owned()).collect(),
            }),
        }
    }
}

fn schema_of<P: JsonSchema>() -> Value {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<P>().to_value()
}

/// Why a binary cannot run jobs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// No kind is linked.
    #[error(
        "no kind of job is linked into this program; name at least one executor crate in its main file, \
         for example `use executor_terraform as _;`"
    )]
    Empty,
    /// Two crates claim one kind.
    #[error("two linked crates register the kind {0:?}; link only one of them")]
    Duplicate(String),
    /// Nobody knows the kind.
    #[error("unknown kind {kind:?}; this program knows: {known}")]
    Unknown {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
}

/// The kinds of one program, sorted. Link order differs between builds; nothing may depend on it.
pub struct ExecutorRegistry(BTreeMap<&'static str, &'static ExecutorPlugin>);

impl ExecutorRegistry {
    /// All kinds that are linked into this program.
    ///
    /// # Errors
    /// If there is none, or two of one name.
    pub fn from_linked() -> Result<Self, RegistryError> {
        Self::new(inventory::iter::<ExecutorPlugin>)
    }

    /// The given kinds, for tests.
    ///
    /// # Errors
    /// If there is none, or two of one name.
    pub fn new(plugins: impl IntoIterator<Item = &'static ExecutorPlugin>) -> Result<Self, RegistryError> {
        let mut kinds = BTreeMap::new();
        for plugin in plugins {
            if kinds.insert(plugin.kind, plugin).is_some() {
                return Err(RegistryError::Duplicate(plugin.kind.to_owned()));
            }
        }
        if kinds.is_empty() { Err(RegistryError::Empty) } else { Ok(Self(kinds)) }
    }

    /// The plugin of a kind.
    ///
    /// # Errors
    /// If there is none; the text lists what there is.
    pub fn get(&self, kind: &str) -> Result<&'static ExecutorPlugin, RegistryError> {
        self.0.get(kind).copied().ok_or_else(|| RegistryError::Unknown {
            kind: kind.to_owned(),
            known: self.0.keys().copied().collect::<Vec<_>>().join(", "),
        })
    }

    /// All kinds, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static ExecutorPlugin> {
        self.0.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_somebody_means_is_waited_for() {
        for bad in ["", "5", "-1s", "0s", "7h", "5 parsecs"] {
            assert!(waiting_time("/x", bad).is_err(), "{bad:?}");
        }
        assert_eq!(waiting_time("/x", "10m").unwrap(), minutes(10));
    }
}
