//! Whether the plan of another job is still the one to apply.
//!
//! Who keeps which part of the promise: the control plane refuses a plan that did not succeed, that another DEPLOY has
//! applied, or that was made under another identity; [`SavedPlan`] refuses bytes that are not the reviewed ones, another
//! version of the program, and a state that has changed since; the rest is here.

use std::time::{Duration, SystemTime};

use executor_api::{ExecutorError, JobContext};
use executor_terraform::{Backend, SavedPlan};
use serde_json::{Value, json};

use crate::promise::differences;
use crate::snapshot::Snapshot;
use crate::stack;

/// How long a plan may be applied where the operator says nothing: what a person reviewed yesterday is not what they
/// would review today.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Refuses the plan of another environment, of another configuration, for another state, and one that is too old.
pub(crate) fn check(
    job: &JobContext,
    saved: &SavedPlan,
    wanted: &Snapshot,
    backend: &Backend,
) -> Result<(), ExecutorError> {
    let id = &saved.job().id;
    let planned = stack::read(job, &saved.job().config_snapshot).map_err(|error| {
        ExecutorError::invalid(
            "/plan_job_id",
            format!("what job {id} planned is none for this job: {error}; plan again"),
        )
    })?;
    if (planned.state_key(), planned.provider) != (wanted.state_key(), wanted.provider) {
        let (theirs, ours) = (named(&planned), named(wanted));
        return refuse(format!("job {id} planned another environment ({theirs}), and this is {ours}; plan this one"));
    }
    check_configuration(saved, &planned, wanted)?;
    if saved.metadata("backend") != Some(&json!(backend)) {
        let why = "this runner keeps the state of the environment elsewhere than the one that made the plan";
        return refuse(format!("{why}; give both the same storage, or plan again"));
    }
    let ttl = job.settings().plan_ttl_s.map_or(DAY, Duration::from_secs);
    check_age(saved, ttl, SystemTime::now())
}

fn check_configuration(saved: &SavedPlan, planned: &Snapshot, wanted: &Snapshot) -> Result<(), ExecutorError> {
    if saved.metadata("configuration_hash").and_then(Value::as_str) == Some(&wanted.configuration_hash()) {
        return Ok(());
    }
    let places = differences(planned, wanted);
    if places.is_empty() {
        let why = "this runner makes something else of the same configuration than the one that made the plan";
        return refuse(format!("{why}; plan again"));
    }
    refuse(format!("configuration has changed since the plan: {}; plan again", places.join(", ")))
}

fn check_age(saved: &SavedPlan, ttl: Duration, now: SystemTime) -> Result<(), ExecutorError> {
    let id = &saved.job().id;
    let planned_at = saved.metadata("planned_at").and_then(Value::as_str);
    let Some(made) = planned_at.and_then(|at| humantime::parse_rfc3339(at).ok()) else {
        return refuse(format!("job {id} does not say when it made its plan; plan again"));
    };
    // The clock of another machine may be ahead of ours.
    let age = now.duration_since(made).unwrap_or_default();
    if age <= ttl {
        return Ok(());
    }
    let (age, ttl) = (Duration::from_secs(age.as_secs()), humantime::format_duration(ttl));
    let age = humantime::format_duration(age);
    refuse(format!("the plan of job {id} has expired: it is {age} old, and may be applied for {ttl}; plan again"))
}

fn named(snapshot: &Snapshot) -> String {
    let key = snapshot.state_key();
    let place = key.trim_end_matches("/terraform.tfstate");
    format!("{place} on {}", snapshot.provider.as_str())
}

fn refuse(why: String) -> Result<(), ExecutorError> {
    Err(ExecutorError::invalid("/plan_job_id", why))
}
