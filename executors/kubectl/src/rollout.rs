//! `kubectl rollout status`: whether what a workload says has come about.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::kubectl::{Interrupted, Kubectl};
use crate::object::Identity;
use crate::targets::{Resource, Targets};

/// A workload and how far its newest version is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Kubectl's word for its kind: `deployment.apps`.
    pub resource: String,
    /// Where it is.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether all of it is there and available.
    pub complete: bool,
    /// How many pods there are to be.
    pub desired: u64,
    /// How many are of the newest version.
    pub updated: u64,
    /// How many are ready.
    pub ready: u64,
    /// How many have been ready for long enough.
    pub available: u64,
    /// What its controller says.
    pub conditions: Vec<Condition>,
}

/// What a controller says of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// For example `Progressing`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

impl Kubectl<'_> {
    /// Waits until a Deployment, `DaemonSet` or `StatefulSet` is rolled out, at most as long as `limit`.
    ///
    /// # Errors
    /// If it is not in time, and how far it is then.
    pub async fn rollout_status(
        &self,
        resource: &Resource,
        limit: Duration,
    ) -> Result<Rollout, Interrupted<Option<Rollout>>> {
        let command = self.command(&["rollout", "status"]).arg(format!("--timeout={}s", limit.as_secs().max(1)));
        let target = Targets::one(resource.clone());
        let finished = self.job.run(target.add_to(command)).await;
        let look = target.add_to(self.request(&["get"]).arg("--output=json"));
        let is_success = finished.as_ref().is_ok_and(|finished| finished.exit.is_success());
        let found = self.objects_after(look).await.unwrap_or_default();
        let rollout = found.first().and_then(|object| Rollout::read(object, is_success));
        let error = match finished {
            Ok(finished) if is_success => match rollout {
                Some(rollout) => return Ok(rollout),
                None => self.failed_with("get", &finished, format!("{resource} was rolled out, and is not there now")),
            },
            Ok(finished) => match &rollout {
                Some(rollout) => self.failed_with("rollout status", &finished, rollout.explain(&finished.stderr_tail)),
                None => self.failure("rollout status", &finished),
            },
            Err(error) => error,
        };
        Err(Interrupted { error, known: rollout })
    }
}

impl Rollout {
    fn read(object: &Value, complete: bool) -> Option<Self> {
        let Identity { resource, namespace, name } = Identity::of(object)?;
        let status = &object["status"];
        let number = |names: [&str; 2]| names.iter().find_map(|name| status[*name].as_u64()).unwrap_or_default();
        // A Deployment without a number has one.
        let replicas = object["spec"]["replicas"].as_u64();
        let desired = status["desiredNumberScheduled"].as_u64().or(replicas).unwrap_or(1);
        let conditions = status["conditions"].as_array().into_iter().flatten().map(Condition::read).collect();
        Some(Self {
            resource,
            namespace,
            name,
            complete,
            desired,
            updated: number(["updatedReplicas", "updatedNumberScheduled"]),
            ready: number(["readyReplicas", "numberReady"]),
            available: number(["availableReplicas", "numberAvailable"]),
            conditions,
        })
    }

    /// Why it is not complete.
    fn explain(&self, stderr: &str) -> String {
        let Self { resource, name, desired, updated, available, .. } = self;
        let mut lines =
            vec![format!("{resource}/{name} is not rolled out: {updated} of {desired} updated, {available} available")];
        lines.extend(stderr.trim().lines().last().map(str::to_owned));
        let bad = self.conditions.iter().filter(|condition| condition.status != "True");
        lines.extend(bad.map(|condition| format!("{}: {}", condition.reason, condition.message)));
        lines.join("\n")
    }
}

impl Condition {
    fn read(condition: &Value) -> Self {
        let text = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        Self { kind: text("type"), status: text("status"), reason: text("reason"), message: text("message") }
    }
}

/// Whether there is something to wait for.
pub(crate) fn is_workload(resource: &str) -> bool {
    matches!(resource, "deployment.apps" | "daemonset.apps" | "statefulset.apps")
}
