//! The `kubectl` kind: from payload to calls of the program.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use executor_api::{
    Artifact, ArtifactBody, Executor, ExecutorError, Input, Job, JobContext, Outcome, check_timeout, params_of,
};
use serde_json::json;

use crate::apply::ApplyOptions;
use crate::kubectl::Kubectl;
use crate::object::{Change, Identity, ObjectChange};
use crate::params::{Action, KubectlParams};
use crate::rollout::{Rollout, is_workload};
use crate::targets::{Resource, Targets};

/// Runs kubectl.
pub(crate) struct KubectlExecutor;

#[async_trait]
impl Executor for KubectlExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: KubectlParams = params_of(job)?;
        params.check()?;
        let mut inputs = params.cluster.inputs();
        inputs.extend(params.manifests.iter().flat_map(|manifests| manifests.inputs()));
        Ok(inputs)
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: KubectlParams = job.params()?;
        params.check()?;
        if params.timeout.is_some() {
            check_timeout("/timeout", job.job(), params.timeout()?)?;
        }
        let access = params.cluster.prepare(job, "/cluster").await?;
        let mut kubectl = Kubectl::find_version(job, &access, params.version.as_deref()).await?;
        if let Some(namespace) = &params.namespace {
            kubectl = kubectl.in_namespace(namespace)?;
        }
        let targets = match &params.manifests {
            Some(manifests) => Targets::Manifests(manifests.prepare(job, "/manifests").await?),
            None => params.named_targets()?,
        };
        let run = Run { job, kubectl, timeout: params.timeout()?, params };
        match run.params.action {
            Action::Apply => run.apply(&targets).await,
            Action::Delete => run.delete(&targets).await,
            Action::Diff => run.diff(&targets).await,
            Action::Get => run.get(&targets).await,
            Action::Wait => run.wait(&targets).await,
            Action::RolloutStatus => run.rollout_status(&targets).await,
        }
    }
}

/// A bigger answer is an artifact only.
const MOST_ANSWER_BYTES: usize = 64 * 1024;
/// Of more objects only how many there are is said.
const MOST_OBJECTS: usize = 1000;

struct Run<'a> {
    job: &'a JobContext,
    kubectl: Kubectl<'a>,
    params: KubectlParams,
    timeout: Duration,
}

impl Run<'_> {
    async fn apply(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let Targets::Manifests(manifests) = targets else { return Err(no_manifests()) };
        let before = self.kubectl.look(manifests).await?;
        // From here on the world changes, and this job is never run again.
        self.job.commit_point().await?;
        let objects = match self.kubectl.apply(manifests, &self.apply_options(), &before).await {
            Ok(objects) => objects,
            Err(interrupted) => {
                let conflicts = json!(interrupted.known.conflicts);
                let known = applied(&interrupted.known.objects).with("conflicts", conflicts);
                return Err(self.publish(known, interrupted.error).await);
            }
        };
        let outcome = applied(&objects);
        if self.params.wait != Some(true) {
            return Ok(outcome);
        }
        self.job.progress(outcome.metadata.clone()).await?;
        let is_there = |change| !matches!(change, Change::Pruned | Change::Skipped);
        let workloads = objects.iter().filter(|one| is_workload(&one.resource) && is_there(one.change));
        let workloads: Result<Vec<_>, _> =
            workloads.map(|one| workload(&one.resource, one.namespace.as_deref(), &one.name)).collect();
        let rollouts = self.rollouts(&workloads?).await?;
        Ok(outcome.with("rollouts", json!(rollouts)))
    }

    fn apply_options(&self) -> ApplyOptions {
        ApplyOptions {
            server_side: self.params.server_side,
            force_conflicts: self.params.force_conflicts,
            prune: self.params.prune.clone(),
        }
    }

    async fn delete(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let wait = self.params.wait.unwrap_or(true).then_some(self.timeout);
        self.job.commit_point().await?;
        match self.kubectl.delete(targets, wait).await {
            Ok(objects) => Ok(deleted(&objects)),
            Err(interrupted) => Err(self.publish(deleted(&interrupted.known), interrupted.error).await),
        }
    }

    async fn diff(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let Targets::Manifests(manifests) = targets else { return Err(no_manifests()) };
        let before = self.kubectl.look(manifests).await?;
        let diff = self.kubectl.diff(manifests, &self.apply_options(), &before).await?;
        Ok(Outcome::success().with("has_changes", !diff.changes.is_empty()).with("changes", json!(diff.changes)))
    }

    async fn get(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let objects = self.kubectl.get(targets).await?;
        for identity in objects.iter().filter_map(Identity::of).take(MOST_OBJECTS) {
            self.job.log().system(identity);
        }
        let text = json!(objects).to_string();
        let outcome = Outcome::success().with("count", objects.len());
        let outcome = if text.len() < MOST_ANSWER_BYTES { outcome.with("objects", objects) } else { outcome };
        let body = ArtifactBody::Bytes(self.job.log().masked(&text).into_bytes());
        let media_type = "application/json".to_owned();
        self.job.artifact(Artifact { name: "objects.json".to_owned(), media_type, body }).await?;
        Ok(outcome)
    }

    async fn wait(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let Some(until) = &self.params.until else {
            return Err(ExecutorError::invalid("/until", "say what to wait for"));
        };
        match self.kubectl.wait(targets, until, self.timeout).await {
            Ok(met) => Ok(Outcome::success().with("met", met)),
            Err(interrupted) => {
                Err(self.publish(Outcome::success().with("met", interrupted.known), interrupted.error).await)
            }
        }
    }

    async fn rollout_status(&self, targets: &Targets) -> Result<Outcome, ExecutorError> {
        let workloads = match targets {
            Targets::Named(named) => named.iter().map(|resource| (resource.clone(), None)).collect(),
            Targets::Manifests(manifests) => {
                let workloads = manifests.objects().iter().filter(|object| is_workload(&object.resource));
                let workload = |one: &Identity| workload(&one.resource, one.namespace.as_deref(), &one.name);
                workloads.map(workload).collect::<Result<_, _>>()?
            }
            Targets::Kinds { .. } => Vec::new(),
        };
        if workloads.is_empty() {
            let error = "there is no Deployment, DaemonSet or StatefulSet among these";
            return Err(ExecutorError::invalid("/manifests", error));
        }
        Ok(Outcome::success().with("rollouts", json!(self.rollouts(&workloads).await?)))
    }

    /// One after the other; the time is for all of them.
    async fn rollouts(&self, workloads: &[Workload]) -> Result<Vec<Rollout>, ExecutorError> {
        let started = Instant::now();
        let mut rollouts = Vec::new();
        for (resource, namespace) in workloads {
            let left = self.timeout.saturating_sub(started.elapsed());
            match self.kubectl.at(namespace.as_deref()).rollout_status(resource, left).await {
                Ok(rollout) => rollouts.push(rollout),
                Err(interrupted) => {
                    rollouts.extend(interrupted.known);
                    let known = Outcome::success().with("rollouts", json!(rollouts));
                    return Err(self.publish(known, interrupted.error).await);
                }
            }
        }
        Ok(rollouts)
    }

    /// What is known although it went wrong. Why it went wrong is what counts, even if this cannot be kept.
    async fn publish(&self, known: Outcome, error: ExecutorError) -> ExecutorError {
        if let Err(lost) = self.job.progress(known.metadata).await {
            self.job.log().system(format!("cannot keep what is known of the objects: {lost}"));
        }
        error
    }
}

/// What is rolled out, and where, if not in the job's namespace.
type Workload = (Resource, Option<String>);

/// # Errors
/// If it is named as nothing can be.
fn workload(resource: &str, namespace: Option<&str>, name: &str) -> Result<Workload, ExecutorError> {
    let resource = Resource::parse(&format!("{resource}/{name}")).map_err(ExecutorError::Other)?;
    Ok((resource, namespace.map(str::to_owned)))
}

fn no_manifests() -> ExecutorError {
    ExecutorError::invalid("/manifests", "say what is to be there: a source or inline text")
}

fn applied(objects: &[ObjectChange]) -> Outcome {
    [Change::Created, Change::Configured, Change::Unchanged, Change::Pruned]
        .into_iter()
        .fold(listed(objects), |outcome, change| outcome.with(&word(change), count(objects, change)))
}

fn deleted(objects: &[ObjectChange]) -> Outcome {
    listed(objects).with("deleted", count(objects, Change::Deleted))
}

fn listed(objects: &[ObjectChange]) -> Outcome {
    Outcome::success().with("objects", json!(objects.iter().take(MOST_OBJECTS).collect::<Vec<_>>()))
}

fn count(objects: &[ObjectChange], change: Change) -> usize {
    objects.iter().filter(|object| object.change == change).count()
}

fn word(change: Change) -> String {
    json!(change).as_str().unwrap_or_default().to_owned()
}
