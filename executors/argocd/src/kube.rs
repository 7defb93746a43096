//! The few things that are asked of the cluster that Argo CD lives in, with kubectl.

use std::path::PathBuf;
use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{Command, ExecutorError, Finished, JobContext};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::When;
use crate::failure::{Failure, looks_transient, within};

/// How long one request may take.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";
/// How long the whole command may take: one that hears nothing would take for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// The same after a stop.
const SETTLING_LIMIT: Duration = Duration::from_secs(15);
/// Who changes things, for the cluster's own records.
const MANAGER: &str = "--field-manager=alethia";

/// Kubectl in one namespace of one cluster.
pub(crate) struct Kube<'a> {
    pub(crate) job: &'a JobContext,
    program: PathBuf,
    cluster: ClusterAccess,
    namespace: String,
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
        Ok(Self { job, program: job.tool("kubectl")?, cluster: cluster.clone(), namespace: namespace.to_owned() })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The same in another namespace.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Self {
        let Self { job, program, cluster, .. } = self;
        Self { job, program: program.clone(), cluster: cluster.clone(), namespace: namespace.to_owned() }
    }

    pub(crate) fn command(&self, verb: &[&str]) -> Command {
        let command = self.job.command(&self.program).args(verb.iter().copied());
        self.cluster.point(command).arg(self.cluster.flag()).arg(format!("--namespace={}", self.namespace))
    }

    /// An object, or a list of them where `name` is none. It does not reach the log.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        when: When,
        kind: &str,
        name: Option<&str>,
    ) -> Result<T, Failure> {
        let command = self.command(&["get", "--output=json", REQUEST_TIMEOUT]);
        // What is missing is nothing that a person should read in the log as an error.
        let command = if name.is_some() { command.arg("--ignore-not-found") } else { command };
        let command = command.arg("--").arg(kind).args(name);
        let finished = match when {
            When::Working => within("kubectl get", COMMAND_LIMIT, self.job.capture(command)).await?,
            When::Settling => self.job.clean_up_capture(command, SETTLING_LIMIT).await?,
        };
        judge("get", &finished)?;
        if finished.stdout.is_empty() {
            let text = format!("there is no {kind} {} in the namespace {}", name.unwrap_or_default(), self.namespace);
            return Err(Failure::Missing(ExecutorError::Unsuccessful(text)));
        }
        let strange = |error| ExecutorError::Other(format!("`kubectl get` does not answer as kubectl does: {error}"));
        Ok(serde_json::from_slice(&finished.stdout).map_err(strange)?)
    }

    pub(crate) async fn create(&self, manifest: &Value) -> Result<(), Failure> {
        let file = self.job.document("argocd", manifest)?;
        let command = self.command(&["create", REQUEST_TIMEOUT, MANAGER]);
        let command = command.arg(format!("--filename={}", file.path().display()));
        let finished = within("kubectl create", COMMAND_LIMIT, self.job.run(command)).await?;
        judge("create", &finished)
    }

    /// Server-side: what is in the manifest is ours from then on, whoever set it before.
    pub(crate) async fn apply(&self, manifest: &Value) -> Result<(), Failure> {
        let file = self.job.document("argocd", manifest)?;
        self.apply_file(file.path()).await
    }

    pub(crate) async fn apply_file(&self, file: &std::path::Path) -> Result<(), Failure> {
        let command = self.command(&["apply", "--server-side", "--force-conflicts", REQUEST_TIMEOUT, MANAGER]);
        let finished = self.job.run(command.arg(format!("--filename={}", file.display()))).await?;
        judge("apply", &finished)
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
        let command = self.command(&["patch", form, REQUEST_TIMEOUT, MANAGER]);
        let command = command.arg(format!("--patch-file={}", file.path().display())).args(["--", kind, name]);
        let finished = match when {
            When::Working => within("kubectl patch", COMMAND_LIMIT, self.job.run(command)).await?,
            When::Settling => self.job.clean_up(command, SETTLING_LIMIT).await?,
        };
        judge("patch", &finished)
    }

    /// Returns when it is on its way out.
    pub(crate) async fn delete(&self, kind: &str, name: &str) -> Result<(), Failure> {
        let command = self.command(&["delete", "--wait=false", REQUEST_TIMEOUT]).args(["--", kind, name]);
        let finished = within("kubectl delete", COMMAND_LIMIT, self.job.run(command)).await?;
        judge("delete", &finished)
    }
}

pub(crate) fn judge(verb: &str, finished: &Finished) -> Result<(), Failure> {
    if finished.exit.is_success() {
        return Ok(());
    }
    let said = finished.stderr_tail.trim();
    let failed = |hint: &str| {
        let message = format!("{said}{hint}");
        ExecutorError::ToolFailed { tool: format!("kubectl {verb}"), exit: finished.exit.clone(), message }
    };
    Err(if said.contains("(NotFound)") {
        Failure::Missing(failed(""))
    } else if said.contains("the server doesn't have a resource type") || said.contains("no matches for kind") {
        Failure::Final(failed("\nArgo CD is not in this cluster; the action install brings it"))
    } else if is_race(said) || looks_transient(said) || said.contains("the server was unable to return a response") {
        Failure::Transient(failed(""))
    } else {
        Failure::Final(failed(""))
    })
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
