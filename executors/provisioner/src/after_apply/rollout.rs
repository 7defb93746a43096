//! Bringing the applications in: wave by wave, each until it is healthy, and then what is no longer wanted goes.

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, JobContext};
use executor_argocd::{ArgoCd, Awaited, Cascade};
use executor_kubectl::{Kubectl, Resource, Targets};
use serde_json::{Map, Value, json};

use super::applications::{Application, KARPENTER, Wanted};
use super::argocd::NAMESPACE;
use super::costly;
use super::deadline::Deadline;
use super::known::Known;
use super::repository;
use crate::steps::Steps;

/// Argo CD in a cluster, and what is asked of it.
pub(super) struct Rollout<'a> {
    job: &'a JobContext,
    argocd: ArgoCd<'a>,
    kubectl: Kubectl<'a>,
    environment: String,
    deadline: Deadline,
    /// What became of each application, for the metadata.
    results: Map<String, Value>,
}

impl<'a> Rollout<'a> {
    pub(super) async fn new(
        job: &'a JobContext,
        access: &ClusterAccess,
        environment: String,
        deadline: Deadline,
    ) -> Result<Self, ExecutorError> {
        Ok(Self {
            job,
            argocd: ArgoCd::through_cluster(job, access, NAMESPACE).await?,
            kubectl: Kubectl::find(job, access)?.in_namespace(NAMESPACE)?,
            environment,
            deadline,
            results: Map::new(),
        })
    }

    pub(super) fn argocd(&self) -> &ArgoCd<'a> {
        &self.argocd
    }

    /// `known`: those that were there before. What became of the applications goes into the metadata, however it ends.
    pub(super) async fn run(
        mut self,
        steps: &mut Steps<'_>,
        wanted: &Wanted,
        known: Vec<Known>,
    ) -> Result<Map<String, Value>, ExecutorError> {
        let ended = self.waves(steps, wanted, known).await;
        let told = Map::from_iter([("applications".to_owned(), Value::Object(self.results))]);
        if let Err(error) = ended {
            self.job.progress(told).await?;
            return Err(error);
        }
        Ok(told)
    }

    async fn waves(&mut self, steps: &mut Steps<'_>, wanted: &Wanted, known: Vec<Known>) -> Result<(), ExecutorError> {
        for project in &wanted.projects {
            self.argocd.upsert_project(project).await?;
        }
        for wave in wanted.waves() {
            let (name, applications) = of_wave(wanted, wave);
            steps.take("applications", &name, self.wave(wanted, wave, &applications)).await?;
        }
        let is_wanted = |one: &Known| wanted.applications.iter().any(|application| application.name == one.name);
        let gone: Vec<_> = known.into_iter().filter(|one| one.is_of(&self.environment) && !is_wanted(one)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        steps.take("prune", "Take away applications that are no longer wanted", self.prune(&gone)).await
    }

    async fn wave(&mut self, wanted: &Wanted, wave: u8, applications: &[&Application]) -> Result<(), ExecutorError> {
        for application in applications {
            self.argocd.upsert_application(application.name, &application.spec).await?;
        }
        let names: Vec<_> = applications.iter().map(|application| application.name).collect();
        let awaited = self.argocd.wait_for_all(&names, self.deadline.left()).await?;
        self.results.extend(awaited.iter().map(|one| (one.application.clone(), standing(one))));
        if awaited.iter().any(|one| !one.is_well()) {
            let later = wanted.applications.iter().filter(|one| one.wave > wave).map(|one| one.name);
            return Err(unhealthy(self.deadline, &awaited, &later.collect::<Vec<_>>()));
        }
        let objects: Vec<_> = wanted.objects.iter().filter(|object| object.after_wave == wave).collect();
        super::objects::apply(self.job, &self.kubectl, &objects, self.deadline).await
    }

    async fn prune(&self, gone: &[Known]) -> Result<(), ExecutorError> {
        // What became healthy may have taken all the time there was.
        let deadline = Deadline::after(self.deadline.limit());
        if gone.iter().any(|one| one.name == KARPENTER) {
            costly::take_away_machines(self.job, &self.kubectl, deadline).await.map_err(with_remedy)?;
        }
        for one in gone {
            self.job.log().system(format!("{} is no longer wanted", one.name));
            self.argocd.delete(&one.name, Cascade::Foreground, deadline.left()).await?;
        }
        if gone.iter().any(|one| one.name == "apps") { forget_repository(&self.kubectl).await } else { Ok(()) }
    }
}

/// Terraform has taken Karpenter's role away by then.
fn with_remedy(error: ExecutorError) -> ExecutorError {
    match error {
        ExecutorError::Unsuccessful(text) => ExecutorError::Unsuccessful(format!(
            "{text}\nits role goes with enable_karpenter: DEPLOY with true again, delete the NodePools, and when their nodes \
             are gone DEPLOY with false"
        )),
        other => other,
    }
}

/// What opens the owner's repository does not stay behind.
pub(super) async fn forget_repository(kubectl: &Kubectl<'_>) -> Result<(), ExecutorError> {
    let secret = Resource::parse(&format!("secret/{}", repository::SECRET)).map_err(ExecutorError::Other)?;
    kubectl.delete(&Targets::one(secret), None).await?;
    Ok(())
}

/// The applications of a wave, and how a person names the step.
fn of_wave(wanted: &Wanted, wave: u8) -> (String, Vec<&Application>) {
    let applications: Vec<_> = wanted.applications.iter().filter(|application| application.wave == wave).collect();
    let names: Vec<_> = applications.iter().map(|application| application.name).collect();
    let name =
        if names.is_empty() { "Prepare the cluster".to_owned() } else { format!("Bring in {}", names.join(", ")) };
    (name, applications)
}

/// For the metadata.
fn standing(awaited: &Awaited) -> Value {
    let report = awaited.report.as_ref();
    let message = awaited.obstacles.join("; ");
    json!({
        "sync": report.map(|report| &report.sync_status),
        "health": report.map(|report| &report.health_status),
        "revision": report.map(|report| &report.revision),
        "message": message,
    })
}

fn unhealthy(deadline: Deadline, awaited: &[Awaited], later: &[&str]) -> ExecutorError {
    let mut text = format!("after {deadline} these applications are not synced and healthy:");
    for one in awaited.iter().filter(|one| !one.is_well()) {
        text.push_str(&format!("\n  {}: {}", one.application, one.obstacles.join("\n    ")));
    }
    if !later.is_empty() {
        text.push_str(&format!("\nnot begun because of them: {}", later.join(", ")));
    }
    ExecutorError::Unsuccessful(text)
}
