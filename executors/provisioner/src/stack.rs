//! From a snapshot to a stack that terraform can work on: template, state, and the program.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use executor_api::{ExecutorError, JobContext, JobCredentials};
use executor_terraform::{Backend, Options, Stack};
use serde_json::Value;

use crate::snapshot::{Provider, Snapshot};
use crate::stack_template::Templates;

/// The contract's bucket for states.
const BUCKET: &str = "spec-terraform-state";

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
        Stack::open(job, &self.options(snapshot), &backend(job, snapshot)?).await
    }
}

/// What the job's payload wants.
pub(crate) fn wanted(job: &JobContext) -> Result<Snapshot, ExecutorError> {
    read(job, &job.job().config_snapshot)
}

/// A payload, for this job's identity.
pub(crate) fn read(job: &JobContext, payload: &Value) -> Result<Snapshot, ExecutorError> {
    Snapshot::read(payload, job.credentials().map(JobCredentials::identity))
}

/// Where the state of an environment is: in the operator's storage, else at the control plane, else in a file.
pub(crate) fn backend(job: &JobContext, snapshot: &Snapshot) -> Result<Backend, ExecutorError> {
    let settings = job.settings();
    if settings.storage.is_some() {
        let bucket = settings.state_bucket.clone().unwrap_or_else(|| BUCKET.to_owned());
        return Ok(Backend::S3 { bucket, key: snapshot.state_key() });
    }
    let name = snapshot.plane_state_name();
    if settings.plane.is_some() {
        return Ok(Backend::Plane { name });
    }
    let Some(folder) = &settings.local_states else {
        let remedy = "set SUPABASE_S3_ENDPOINT and the variables beside it, or run it from a control plane";
        return Err(ExecutorError::Other(format!("there is no place for the state of the environment: {remedy}")));
    };
    make_private(folder).map_err(ExecutorError::io(format!("cannot make {} for states", folder.display())))?;
    Ok(Backend::Local { path: folder.join(format!("{name}.tfstate")) })
}

/// States hold secrets.
fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The tools that come after the apply, where it has a cluster to work on.
pub(crate) fn tools_in_cluster(snapshot: &Snapshot) -> Vec<&'static str> {
    let has_cluster = snapshot.cluster.provision || snapshot.cluster.kubeconfig.is_some();
    if !snapshot.argocd.enabled || !has_cluster {
        return Vec::new();
    }
    let helm = snapshot.argocd.manifest.is_none().then_some("helm");
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

/// What the contract calls the cluster, whatever cloud it is in.
pub(crate) fn of_cluster<'a>(outputs: &'a serde_json::Map<String, Value>, what: &str) -> Option<&'a Value> {
    let prefixes = [Provider::Aws, Provider::Gcp, Provider::Azure].map(|provider| match provider {
        Provider::Aws => "eks",
        Provider::Gcp => "gke",
        Provider::Azure => "aks",
    });
    let found = prefixes.iter().filter_map(|prefix| outputs.get(&format!("{prefix}_cluster_{what}")));
    found.into_iter().find(|value| value.as_str().is_some_and(|text| !text.is_empty()))
}
