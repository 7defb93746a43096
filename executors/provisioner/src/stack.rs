//! From a snapshot to a stack that terraform can work on: template, state, and the program.

use executor_api::{ExecutorError, JobContext, JobCredentials, check_timeout};
use executor_helm::{HELM, version_in};
use executor_terraform::{Backend, Options, Stack};
use semver::VersionReq;
use serde_json::Value;

use crate::snapshot::Snapshot;
use crate::stack_template::{self, Templates};
use crate::state_place::{self, StateNames};

/// How environments are made: the same for all of them, but for tests.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where templates come from.
    pub templates: Templates,
    /// How long to wait for somebody else's lock on the state: at the control plane jobs on one environment wait for one
    /// another, so this is somebody from outside, or one that was killed.
    pub lock_timeout: &'static str,
}

impl Setup {
    /// As it is in production.
    pub const STANDARD: Self = Self { templates: Templates::Embedded, lock_timeout: "5m" };

    pub(crate) fn options(&self, snapshot: &Snapshot) -> Options {
        Options {
            version: snapshot.terraform_version.clone(),
            lock_timeout: Some(self.lock_timeout.to_owned()),
            ..Options::default()
        }
    }

    /// The environment's own template, ready to be planned.
    pub(crate) async fn open<'a>(&self, job: &'a JobContext, snapshot: &Snapshot) -> Result<Stack<'a>, ExecutorError> {
        self.templates.unpack(snapshot.provider, job.work_dir())?;
        let mut options = self.options(snapshot);
        // Terraform would say it, too, but not that another version can be put beside the one that is there.
        let needed = stack_template::required_version(job.work_dir())?;
        let who = match (&options.version, &needed) {
            (Some(wanted), Some(needed)) => {
                format!("; {wanted} is the snapshot's terraform_version, {needed} what the template needs")
            }
            _ => String::new(),
        };
        options.version = all_of([options.version, needed].into_iter().flatten())?;
        Stack::open(job, &options, &backend(job, snapshot)?).await.map_err(|error| match error {
            ExecutorError::ToolMissing(text) => ExecutorError::ToolMissing(format!("{text}{who}")),
            other => other,
        })
    }
}

/// One requirement of several. As texts they could not always be joined: `*` stands alone.
fn all_of(texts: impl Iterator<Item = String>) -> Result<Option<String>, ExecutorError> {
    let mut all = VersionReq::STAR;
    for text in texts {
        let one = VersionReq::parse(&text);
        let one = one.map_err(|error| ExecutorError::Other(format!("no version of terraform is {text}: {error}")))?;
        all.comparators.extend(one.comparators);
    }
    Ok((all != VersionReq::STAR).then(|| all.to_string()))
}

/// What the job's payload wants.
pub(crate) fn wanted(job: &JobContext) -> Result<Snapshot, ExecutorError> {
    read(job, &job.job().config_snapshot)
}

/// A payload, for this job's identity.
pub(crate) fn read(job: &JobContext, payload: &Value) -> Result<Snapshot, ExecutorError> {
    Snapshot::read(payload, job.credentials().map(JobCredentials::identity))
}

/// Where the state of an environment is.
pub(crate) fn backend(job: &JobContext, snapshot: &Snapshot) -> Result<Backend, ExecutorError> {
    let name = snapshot.plane_state_name();
    let file = format!("{name}.tfstate");
    state_place::backend(job.settings(), StateNames { key: snapshot.state_key(), name, file })
}

/// The tools that come after the apply, where it has a cluster to work on.
pub(crate) fn tools_in_cluster(snapshot: &Snapshot) -> Vec<&'static str> {
    let has_cluster = snapshot.cluster.provision || snapshot.cluster.kubeconfig.is_some();
    if !snapshot.argocd.enabled || !has_cluster {
        return Vec::new();
    }
    let helm = snapshot.argocd.manifest.is_none().then_some(HELM.name);
    ["kubectl"].into_iter().chain(helm).collect()
}

/// Names all tools that are missing at once, before anything is changed.
pub(crate) fn preflight(job: &JobContext, tools: &[&str]) -> Result<(), ExecutorError> {
    let is_missing = |tool: &&&str| job.tool(tool).is_err();
    let mut missing: Vec<&str> = tools.iter().filter(is_missing).copied().collect();
    if job.tool("terraform").is_err() && job.tool("tofu").is_err() {
        missing.insert(0, "terraform");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let path = job.settings().env.get("PATH").map(String::as_str).unwrap_or_default();
    Err(ExecutorError::ToolMissing(format!(
        "the runner has no {} on its PATH ({path}); install what is missing there, or with `alethia tools install {}`",
        missing.join(", no "),
        missing.join(" ")
    )))
}

/// Refuses a helm of a version that does not work, which would be found after the apply.
pub(crate) async fn check_helm(job: &JobContext, snapshot: &Snapshot) -> Result<(), ExecutorError> {
    if !tools_in_cluster(snapshot).contains(&HELM.name) {
        return Ok(());
    }
    let ask = job.command(job.tool(HELM.name)?).args(HELM.version_args);
    job.fitting_program(&HELM, None, ask, version_in).await.map(drop)
}

/// Refuses a deadline of the applications that is longer than the job itself may run: that would end it in their midst.
pub(crate) fn check_deadline(job: &JobContext, snapshot: &Snapshot) -> Result<(), ExecutorError> {
    check_timeout("/applications/deadline", job.job(), snapshot.applications.deadline)
}

/// What the contract calls the cluster, whatever cloud it is in.
pub(crate) fn of_cluster<'a>(outputs: &'a serde_json::Map<String, Value>, what: &str) -> Option<&'a Value> {
    let found = ["eks", "gke", "aks"].iter().filter_map(|prefix| outputs.get(&format!("{prefix}_cluster_{what}")));
    found.into_iter().find(|value| value.as_str().is_some_and(|text| !text.is_empty()))
}
