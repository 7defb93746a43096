//! Taking away what Argo CD brought, and what that made in the cloud, while those who can unmake it are still there.

use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, JobContext};
use executor_argocd::{ArgoCd, Cascade};
use executor_kubectl::Kubectl;
use serde_json::{Map, Value, json};

use super::applications::{KARPENTER, OWNERS_WAVE};
use super::argocd::NAMESPACE;
use super::costly;
use super::deadline::Deadline;
use super::known::{self, Known};
use super::rollout::forget_repository;
use crate::steps::Steps;

/// External-dns hears of what is gone, waits five seconds for more of it, and asks the provider of names.
const NAMES_ARE_GONE_AFTER: Duration = Duration::from_secs(15);

/// A cluster that is left.
pub(super) struct Removal<'a> {
    job: &'a JobContext,
    access: ClusterAccess,
    kubectl: Kubectl<'a>,
    environment: String,
    /// The whole cluster goes afterwards.
    is_ours: bool,
    deadline: Deadline,
    gone: &'a mut Gone,
}

/// What was taken away, of all clusters of a job.
#[derive(Default)]
pub(super) struct Gone {
    applications: Vec<String>,
    load_balancers: usize,
    machines: usize,
    volumes_left: Vec<String>,
}

impl Gone {
    fn told(&self) -> Map<String, Value> {
        let mut told = json!({ "removed": { "applications": self.applications, "load_balancers": self.load_balancers,
                                            "machines": self.machines } });
        if !self.volumes_left.is_empty() {
            told["volumes_left"] = json!(self.volumes_left);
        }
        told.as_object().cloned().unwrap_or_default()
    }
}

impl<'a> Removal<'a> {
    pub(super) fn new(
        job: &'a JobContext,
        access: ClusterAccess,
        environment: String,
        is_ours: bool,
        deadline: Deadline,
        gone: &'a mut Gone,
    ) -> Result<Self, ExecutorError> {
        let kubectl = Kubectl::find(job, &access)?.in_namespace(NAMESPACE)?;
        Ok(Self { job, access, kubectl, environment, is_ours, deadline, gone })
    }

    /// What was taken away goes into the metadata at once, however this ends: nobody could find it out once the cluster is
    /// gone, and what comes next may fail.
    pub(super) async fn run(mut self, steps: &mut Steps<'_>) -> Result<Map<String, Value>, ExecutorError> {
        let ended = self.all(steps).await;
        let told = self.gone.told();
        self.job.progress(told.clone()).await?;
        ended.map(|()| told)
    }

    async fn all(&mut self, steps: &mut Steps<'_>) -> Result<(), ExecutorError> {
        let known = self.known().await?;
        let has = |name: &str| known.iter().any(|one| one.name == name);
        let (has_names, has_karpenter) = (has("external-dns"), has(KARPENTER));
        if known.iter().any(|one| one.wave >= OWNERS_WAVE) {
            steps.take("remove_apps", "Take away the owner's applications", self.owners(known)).await?;
        }
        if self.is_ours {
            let work = self.load_balancers(has_names);
            steps.take("remove_load_balancers", "Take away load balancers and their names", work).await?;
            self.look_for_volumes().await?;
        }
        // Of a cluster that goes, whoever runs Karpenter there; else with ours, whose kinds go with it.
        if (self.is_ours || has_karpenter) && costly::has_machines(&self.kubectl).await? {
            steps.take("remove_machines", "Take away Karpenter's machines", self.machines()).await?;
        }
        let known = self.known().await?;
        if known.is_empty() {
            self.job.log().system("no application of this environment is left");
            return Ok(());
        }
        steps.take("remove_infra", "Take away the cluster's own applications", self.delete(&known)).await
    }

    /// Those that go: of a cluster that goes, all; else ours.
    async fn known(&self) -> Result<Vec<Known>, ExecutorError> {
        let known = known::read(&self.kubectl).await?.unwrap_or_default();
        Ok(known.into_iter().filter(|one| self.is_ours || one.is_of(&self.environment)).collect())
    }

    async fn owners(&mut self, known: Vec<Known>) -> Result<(), ExecutorError> {
        let is_owners = |one: &Known| one.wave >= OWNERS_WAVE;
        // The one that makes the others goes first, or it would make them again.
        let (first, _): (Vec<_>, Vec<_>) =
            known.into_iter().filter(is_owners).partition(|one| one.is_of(&self.environment));
        self.delete(&first).await?;
        let left: Vec<_> = self.known().await?.into_iter().filter(is_owners).collect();
        self.delete(&left).await?;
        forget_repository(&self.kubectl).await
    }

    async fn machines(&mut self) -> Result<(), ExecutorError> {
        self.gone.machines += costly::take_away_machines(self.job, &self.kubectl, self.deadline).await?;
        Ok(())
    }

    async fn load_balancers(&mut self, has_names: bool) -> Result<(), ExecutorError> {
        let gone = costly::take_away_load_balancers(self.job, &self.kubectl, self.deadline).await?;
        self.gone.load_balancers += gone;
        if has_names && (gone > 0 || !self.gone.applications.is_empty()) {
            let seconds = NAMES_ARE_GONE_AFTER.as_secs();
            self.job.log().system(format!("giving external-dns {seconds} s to take away the names"));
            Deadline::after(NAMES_ARE_GONE_AFTER).rest(self.job, NAMES_ARE_GONE_AFTER).await?;
        }
        Ok(())
    }

    /// Data is nobody's to throw away but its owner's: what volumes stay behind is said.
    async fn look_for_volumes(&mut self) -> Result<(), ExecutorError> {
        for volume in self.kubectl.get_everywhere(&["persistentvolumes"]).await? {
            let at = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let handle = Some(at("/spec/csi/volumeHandle")).filter(|handle| !handle.is_empty());
            let name = handle.unwrap_or_else(|| at("/metadata/name")).to_owned();
            let claim = format!("{}/{}", at("/spec/claimRef/namespace"), at("/spec/claimRef/name"));
            self.job.log().system(format!("the volume {name} of {claim} stays behind; delete it when nobody needs it"));
            self.gone.volumes_left.push(name);
        }
        Ok(())
    }

    async fn delete(&mut self, applications: &[Known]) -> Result<(), ExecutorError> {
        if applications.is_empty() {
            return Ok(());
        }
        let argocd = ArgoCd::through_cluster(self.job, &self.access, NAMESPACE).await?;
        for one in applications {
            if argocd.delete(&one.name, Cascade::Foreground, self.deadline.left()).await? {
                self.gone.applications.push(one.name.clone());
            }
        }
        Ok(())
    }
}
