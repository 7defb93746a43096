//! What comes after the apply: Argo CD and the applications, from what was wanted and what terraform handed back.

mod applications;
mod argocd;
mod costly;
mod deadline;
#[cfg(test)]
pub(crate) mod example;
mod facts;
mod known;
mod objects;
mod options;
mod removal;
mod repository;
mod rollout;
mod target;

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, Input, JobContext};
use executor_kubectl::Kubectl;
use serde_json::{Map, Value};

use crate::snapshot::{Snapshot, Software};
use crate::steps::Steps;
use deadline::Deadline;
use facts::Facts;
use removal::{Gone, Removal};
use repository::AppsRepository;
use rollout::Rollout;
use target::Target;

pub use options::{ApplicationsOptions, ArgoCdOptions};

/// What has to be fetched from the control plane before a job that calls [`run`] starts.
#[must_use]
pub fn inputs(wanted: &Software) -> Vec<Input> {
    if !wanted.argocd.enabled {
        return Vec::new();
    }
    let manifest = wanted.argocd.manifest.iter().flat_map(|manifest| manifest.inputs());
    let token = repository::token_input(wanted.apps_destination_repo.as_deref(), wanted.git_access_token.as_ref());
    manifest.chain(token.filter(|_| wanted.applications.enabled)).collect()
}

/// Brings Argo CD and the applications into the environment's cluster and waits until they are healthy. What is
/// returned belongs into the job's metadata. `outputs` are terraform's, without the sensitive ones.
///
/// # Errors
/// If a step does not come to its end; the steps before it stay done, and another DEPLOY goes on from there.
pub async fn run(
    job: &JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    if !snapshot.argocd.enabled {
        job.log().system("nothing is installed into the cluster: the snapshot says argocd.enabled: false");
        return Ok(Map::new());
    }
    let facts = Facts::new(snapshot, outputs);
    let Some(target) = Target::of(&facts)? else {
        job.log().system("nothing is installed: terraform made no cluster, and the snapshot brings none");
        return Ok(Map::new());
    };
    // All of it is known to be good before anything is touched.
    let install = argocd::wanted(&facts)?;
    let repository = AppsRepository::of(job, &facts)?;
    let wanted = applications::wanted(&facts, repository.as_ref().map(|repository| repository.url.as_str()))?;

    let access = steps.take("cluster", "Reach the cluster", async {
        let missing = || ExecutorError::Other("the cloud does not know the cluster that terraform made".to_owned());
        target.reach(job).await?.ok_or_else(missing)
    });
    let access = access.await?;
    let known = known::read(&Kubectl::find(job, &access)?.in_namespace(argocd::NAMESPACE)?).await?.unwrap_or_default();
    let environment = facts.environment();
    known::refuse_others(&known, wanted.applications.iter().map(|one| one.name), &environment)?;
    let work = argocd::install(job, &access, &facts, &install);
    let mut told = steps.take("argocd", "Install Argo CD", work).await?;
    // What follows may take long, and may fail.
    job.progress(told.clone()).await?;
    if !snapshot.applications.enabled {
        job.log().system("the applications stay as they are: the snapshot says applications.enabled: false");
        return Ok(told);
    }
    for line in &wanted.left_out {
        job.log().system(line);
    }
    let deadline = Deadline::after(snapshot.applications.deadline);
    let rollout = Rollout::new(job, &access, environment, deadline).await?;
    if let Some(repository) = &repository {
        let work = repository.hand_over(job, rollout.argocd());
        steps.take("repository", "Give Argo CD the repository", work).await?;
    }
    told.extend(rollout.run(steps, &wanted, known).await?);
    Ok(told)
}

/// Takes Karpenter's machines away while its role is still there: for a plan that takes the role. `outputs` are those
/// of before, and name the cluster: one that the snapshot brings is another.
///
/// # Errors
/// If one of them is left at the deadline, or nobody can tell.
pub async fn end_machines(
    job: &JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<(), ExecutorError> {
    if !snapshot.applications.enabled {
        job.log().system("machines of Karpenter stay behind: the snapshot says applications.enabled: false");
        return Ok(());
    }
    for (access, _) in reach_all(job, steps, &Facts::new(snapshot, outputs), None).await? {
        let kubectl = Kubectl::find(job, &access)?;
        if costly::has_machines(&kubectl).await? {
            let work = costly::take_away_machines(job, &kubectl, Deadline::after(snapshot.applications.deadline));
            let work = steps.take("remove_machines", "Take away Karpenter's machines", work);
            work.await.map_err(|error| with_remedy(job, error))?;
        }
    }
    Ok(())
}

/// Takes away what the applications made in the cloud, which terraform knows nothing of. A cluster that is not there is
/// fine.
///
/// # Errors
/// If something is left, or nobody can tell; terraform would not find it.
pub async fn remove(
    job: &JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    let facts = Facts::new(snapshot, outputs);
    remove_from(job, steps, &facts, Target::brought(&facts)).await
}

/// The same before a cluster that terraform made goes, and the environment stays. `outputs` are those of before.
///
/// # Errors
/// As [`remove`].
pub async fn leave(
    job: &JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    let facts = Facts::new(snapshot, outputs);
    remove_from(job, steps, &facts, None).await
}

/// Of the cluster that goes afterwards, all; of one that stays, what is this environment's. They may be the same.
async fn remove_from(
    job: &JobContext,
    steps: &mut Steps<'_>,
    facts: &Facts<'_>,
    stays: Option<Target>,
) -> Result<Map<String, Value>, ExecutorError> {
    let reached = reach_all(job, steps, facts, stays).await?;
    let mut gone = Gone::default();
    let mut told = Map::new();
    for (access, is_ours) in reached {
        let deadline = Deadline::after(facts.snapshot.applications.deadline);
        let removal = Removal::new(job, access, facts.environment(), is_ours, deadline, &mut gone)?;
        told = removal.run(steps).await.map_err(|error| with_remedy(job, error))?;
    }
    Ok(told)
}

/// The clusters of before, all of them before anything is taken away: the one that terraform made, and one that stays. Each
/// with whether terraform made it.
async fn reach_all(
    job: &JobContext,
    steps: &mut Steps<'_>,
    facts: &Facts<'_>,
    stays: Option<Target>,
) -> Result<Vec<(ClusterAccess, bool)>, ExecutorError> {
    if !facts.snapshot.argocd.enabled {
        let why =
            "the snapshot says argocd.enabled: false; load balancers, machines and names that they made stay behind";
        job.log().system(format!("the applications are not taken away: {why}"));
        return Ok(Vec::new());
    }
    let targets: Vec<_> = Target::made(facts)?.into_iter().chain(stays).collect();
    if targets.is_empty() {
        job.log().system("there is no cluster whose applications would have to go");
    }
    let mut reached: Vec<(ClusterAccess, bool)> = Vec::new();
    for target in targets {
        let found = steps.take("cluster", "Reach the cluster", target.reach(job)).await;
        match found.map_err(|error| with_remedy(job, error))? {
            Some(access) if reached.iter().any(|(other, _)| other.server() == access.server()) => {}
            Some(access) => reached.push((access, target.is_ours)),
            None => job.log().system("the cluster is gone: the cloud does not know it any more"),
        }
    }
    Ok(reached)
}

/// What to do about a cluster that does not answer, or that nobody works in any more.
fn with_remedy(job: &JobContext, error: ExecutorError) -> ExecutorError {
    let kind = &job.job().job_type;
    match error {
        ExecutorError::Stopped(reason) => ExecutorError::Stopped(reason),
        other => ExecutorError::Unsuccessful(format!(
            "{other}\nload balancers, machines and names that its applications made would stay behind, so nothing is \
             destroyed. If there is nothing of it left, submit {kind} again with `argocd: {{ enabled: false }}`"
        )),
    }
}
