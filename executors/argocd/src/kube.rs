//! The few things that are asked of the cluster that Argo CD lives in, with kubectl, sorted by what happens next where
//! they fail.

use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, Finished, JobContext, ProcessExit};
use executor_kubectl::{ApplyOptions, Kubectl, ManifestFiles, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::When;
use crate::failure::{Failure, looks_transient, within};

/// How long the whole command may take: one that hears nothing would take for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// The same after a stop.
const SETTLING_LIMIT: Duration = Duration::from_secs(15);
/// Who changes things, for the cluster's own records.
const MANAGER: &str = "--field-manager=alethia";

/// Kubectl in one namespace of one cluster.
pub(crate) struct Kube<'a> {
    pub(crate) job: &'a JobContext,
    kubectl: Kubectl<'a>,
}

/// How kubectl's `patch` reads its document.
#[derive(Clone, Copy)]
pub(crate) enum Patch {
    /// What is named is set, `null` takes it away.
    Merge,
    /// A list of operations.
    Operations,
}

impl<'a> Kube<'a> {
    pub(crate) fn find(job: &'a JobContext, cluster: &ClusterAccess, namespace: &str) -> Result<Self, ExecutorError> {
        Ok(Self { job, kubectl: Kubectl::find(job, cluster)?.in_namespace(namespace)? })
    }

    pub(crate) fn namespace(&self) -> &str {
        self.kubectl.namespace()
    }

    /// The same in another namespace.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Result<Self, ExecutorError> {
        Ok(Self { job: self.job, kubectl: self.kubectl.within(namespace)? })
    }

    /// An object, or a list of them where `name` is none. It does not reach the log.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        when: When,
        kind: &str,
        name: Option<&str>,
    ) -> Result<T, Failure> {
        let command = self.kubectl.request(&["get"]).arg("--output=json");
        // What is missing is nothing that a person should read in the log as an error.
        let command = if name.is_some() { command.arg("--ignore-not-found") } else { command };
        let command = command.arg("--").arg(kind).args(name);
        let finished = match when {
            When::Working => within("kubectl get", COMMAND_LIMIT, self.job.capture(command)).await?,
            When::Settling => self.job.clean_up_capture(command, SETTLING_LIMIT).await?,
        };
        judge("get", &finished)?;
        if finished.stdout.is_empty() {
            let text = format!("there is no {kind} {} in the namespace {}", name.unwrap_or_default(), self.namespace());
            return Err(Failure::Missing(ExecutorError::Unsuccessful(text)));
        }
        let strange = |error| ExecutorError::Other(format!("`kubectl get` does not answer as kubectl does: {error}"));
        Ok(serde_json::from_slice(&finished.stdout).map_err(strange)?)
    }

    pub(crate) async fn create(&self, manifest: &Value) -> Result<(), Failure> {
        let file = self.job.document("argocd", manifest)?;
        let command = self.kubectl.request(&["create"]).arg(MANAGER);
        let command = command.arg(format!("--filename={}", file.path().display()));
        let finished = within("kubectl create", COMMAND_LIMIT, self.job.run(command)).await?;
        judge("create", &finished)
    }

    /// What is in the manifest is ours from then on, whoever set it before.
    pub(crate) async fn apply(&self, manifest: &Value) -> Result<(), Failure> {
        let file = self.job.document("argocd", manifest)?;
        let command = self.kubectl.request(&["apply"]).args(["--server-side", "--force-conflicts", MANAGER]);
        let command = command.arg(format!("--filename={}", file.path().display()));
        judge("apply", &within("kubectl apply", COMMAND_LIMIT, self.job.run(command)).await?)
    }

    /// As [`Self::apply`], and what is in their Secrets is hidden from here on.
    pub(crate) async fn apply_files(&self, manifests: &ManifestFiles) -> Result<(), Failure> {
        let before = self.kubectl.look(manifests).await.map_err(sorted)?;
        let options = ApplyOptions { force_conflicts: true, ..ApplyOptions::default() };
        match self.kubectl.apply(manifests, &options, &before).await {
            Ok(_) => Ok(()),
            Err(interrupted) => Err(sorted(interrupted.error)),
        }
    }

    /// Waits until a workload is rolled out.
    pub(crate) async fn rollout(&self, kind: &str, name: &str, limit: Duration) -> Result<(), ExecutorError> {
        let workload = Resource::parse(&format!("{}/{name}", kind.to_lowercase())).map_err(ExecutorError::Other)?;
        Ok(self.kubectl.rollout_status(&workload, limit).await.map(drop)?)
    }

    /// What kubectl prints about it is for the log where the job still works.
    pub(crate) async fn patch(
        &self,
        when: When,
        kind: &str,
        name: &str,
        patch: Patch,
        change: &Value,
    ) -> Result<(), Failure> {
        let file = self.job.document("argocd", change)?;
        let form = match patch {
            Patch::Merge => "--type=merge",
            Patch::Operations => "--type=json",
        };
        let command = self.kubectl.request(&["patch"]).args([form, MANAGER]);
        let command = command.arg(format!("--patch-file={}", file.path().display())).args(["--", kind, name]);
        let finished = match when {
            When::Working => within("kubectl patch", COMMAND_LIMIT, self.job.run(command)).await?,
            When::Settling => self.job.clean_up(command, SETTLING_LIMIT).await?,
        };
        judge("patch", &finished)
    }

    /// Returns when it is on its way out.
    pub(crate) async fn delete(&self, kind: &str, name: &str) -> Result<(), Failure> {
        let command = self.kubectl.request(&["delete"]).arg("--wait=false").args(["--", kind, name]);
        let finished = within("kubectl delete", COMMAND_LIMIT, self.job.run(command)).await?;
        judge("delete", &finished)
    }
}

fn judge(verb: &str, finished: &Finished) -> Result<(), Failure> {
    if finished.exit.is_success() {
        return Ok(());
    }
    Err(sort(format!("kubectl {verb}"), &finished.exit, finished.stderr_tail.trim()))
}

/// The same for what the wrapper has judged.
fn sorted(error: ExecutorError) -> Failure {
    match error {
        ExecutorError::ToolFailed { tool, exit, message } => sort(tool, &exit, &message),
        other => Failure::Final(other),
    }
}

fn sort(tool: String, exit: &ProcessExit, said: &str) -> Failure {
    let failed = |hint: &str| ExecutorError::ToolFailed { tool, exit: exit.clone(), message: format!("{said}{hint}") };
    if said.contains("(NotFound)") {
        Failure::Missing(failed(""))
    } else if said.contains("the server doesn't have a resource type") || said.contains("no matches for kind") {
        Failure::Final(failed("\nArgo CD is not in this cluster; the action install brings it"))
    } else if is_race(said) || looks_transient(said) || said.contains("the server was unable to return a response") {
        Failure::Transient(failed(""))
    } else {
        Failure::Final(failed(""))
    }
}

/// Somebody changed the object after we had read it, or made it before us.
fn is_race(said: &str) -> bool {
    const SIGNS: [&str; 4] = [
        "(Conflict)",
        "(AlreadyExists)",
        "the object has been modified",
        // The `test` of a JSON patch failed.
        "the server rejected our request due to an error in our request",
    ];
    SIGNS.iter().any(|sign| said.contains(sign))
}
