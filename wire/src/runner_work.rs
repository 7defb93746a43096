//! Jobs that deploy, change and take away a runner: their kinds, and what of their payload the plane reads.

use serde_json::{Map, Value, json};

use crate::{Exclusive, RunnerId};

/// What is worked on, for [`Exclusive`].
pub const RUNNER: &str = "runner";
/// Where a payload names the runner, in both spellings.
pub const RUNNER_POINTERS: [&str; 2] = ["/runner_id", "/worker_id"];
/// Where a payload has the runner's token, in both spellings.
pub const RUNNER_TOKEN_POINTERS: [&str; 2] = ["/runner_token", "/worker_token"];
/// The name under which a job reports, in its metadata, how it deploys a runner.
pub const DEPLOY_CONFIG: &str = "deploy_config";

/// What the plane remembers of how a runner was deployed, so that a later job need not be told again. No secret is
/// among them.
const REMEMBERED: [&str; 23] = [
    "alethia_url",
    "architecture",
    "assign_public_ip",
    "assumable_roles",
    "cloud_identity_id",
    "cloud_provider",
    "cpu",
    "idle_seconds",
    "image_command",
    "image_repository",
    "image_tag",
    "labels",
    "log_retention_days",
    "memory",
    "region",
    "runner_mode",
    "runner_name",
    "scale_to_zero",
    "slots",
    "state",
    "subnet_ids",
    "vpc_cidr",
    "wait",
];

/// What a job does with a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerWork {
    /// Makes it.
    Deploy,
    /// Changes it, for example to another version.
    Update,
    /// Takes it away.
    Destroy,
}

impl RunnerWork {
    /// What a kind does with a runner; none if it does something else.
    #[must_use]
    pub fn of(job_type: &str) -> Option<Self> {
        let all = [Self::Deploy, Self::Update, Self::Destroy];
        all.into_iter().find(|work| [work.job_type(), work.seeds_job_type()].contains(&job_type))
    }

    /// The kind that does it, in the later spelling.
    #[must_use]
    pub fn job_type(self) -> &'static str {
        match self {
            Self::Deploy => "DEPLOY_RUNNER",
            Self::Update => "UPDATE_RUNNER",
            Self::Destroy => "DESTROY_RUNNER",
        }
    }

    /// The same kind in the seed's spelling.
    #[must_use]
    pub fn seeds_job_type(self) -> &'static str {
        match self {
            Self::Deploy => "DEPLOY_WORKER",
            Self::Update => "UPDATE_WORKER",
            Self::Destroy => "DESTROY_WORKER",
        }
    }
}

/// Where a payload names a runner, and what it says there. The first spelling that says something counts.
#[must_use]
pub fn named_runner(payload: &Value) -> Option<(&'static str, &Value)> {
    let places = RUNNER_POINTERS.into_iter().filter_map(|at| Some((at, payload.pointer(at)?)));
    places.into_iter().find(|(_, value)| !value.is_null())
}

/// The concurrency key of all jobs on a runner, whichever spelling their kinds and payloads have.
#[must_use]
pub fn runner_key(id: &RunnerId) -> String {
    let exclusive = Exclusive { thing: RUNNER.to_owned(), pointers: vec!["/0".to_owned()] };
    exclusive.key(&json!([id])).unwrap_or_default()
}

/// What the plane keeps of a report on how a runner was deployed.
#[must_use]
pub fn remembered(deploy_config: &Map<String, Value>) -> Map<String, Value> {
    let kept = deploy_config.iter().filter(|(name, value)| REMEMBERED.contains(&name.as_str()) && !value.is_null());
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_work_on_the_same_thing() {
        let id: RunnerId = "r-1".parse().unwrap();
        for (pointer, payload) in
            [("/runner_id", json!({ "runner_id": id })), ("/worker_id", json!({ "worker_id": id }))]
        {
            let exclusive = Exclusive { thing: RUNNER.to_owned(), pointers: vec![pointer.to_owned()] };
            assert_eq!(exclusive.key(&payload).unwrap(), runner_key(&id));
            assert_eq!(named_runner(&payload), Some((pointer, &json!("r-1"))));
        }
        assert_eq!(named_runner(&json!({ "runner_id": null, "worker_id": "w" })), Some(("/worker_id", &json!("w"))));
        assert_eq!(named_runner(&json!({})), None);
    }

    #[test]
    fn a_secret_is_not_remembered() {
        let config = json!({ "region": "eu-north-1", "runner_token": "hunter2", "cpu": null, "x": 1 });
        let kept = remembered(config.as_object().unwrap());
        assert_eq!(Value::Object(kept), json!({ "region": "eu-north-1" }));
    }

    #[test]
    fn each_kind_is_known_in_both_spellings() {
        for work in [RunnerWork::Deploy, RunnerWork::Update, RunnerWork::Destroy] {
            assert_eq!(RunnerWork::of(work.job_type()), Some(work));
            assert_eq!(RunnerWork::of(work.seeds_job_type()), Some(work));
            assert_eq!(work.seeds_job_type(), work.job_type().replace("RUNNER", "WORKER"));
        }
        assert_eq!(RunnerWork::of("DEPLOY"), None);
    }
}
