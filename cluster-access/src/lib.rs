//! How a job reaches its Kubernetes cluster: one kubeconfig of its own, or a clear refusal.
//!
//! A kubeconfig belongs to one job, is never shared and never inherited: a step without its own cluster fails before
//! it touches anything.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, Input, JobContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which cluster a job works on. Exactly one of these.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cluster {
    /// The text of a kubeconfig. A secret.
    #[schemars(extend("writeOnly" = true, "contentMediaType" = "application/yaml"))]
    Kubeconfig(String),
    /// The cluster that the runner itself runs in, as the service account of its pod.
    InCluster {},
}

/// A cluster that tools can be pointed at.
#[derive(Clone, Debug)]
pub struct ClusterAccess {
    kubeconfig: PathBuf,
}

impl Cluster {
    /// Checks what can be checked without asking anybody. `pointer` is the place of the cluster in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let _ = pointer;
        Ok(())
    }

    /// What has to be fetched before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    /// Writes the job's kubeconfig. `pointer` is the place of the cluster in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if it is refused.
    pub async fn prepare(&self, job: &JobContext, pointer: &str) -> Result<ClusterAccess, ExecutorError> {
        self.check(pointer)?;
        match self {
            Self::Kubeconfig(text) => {
                let file = job.paths().home.join("kubeconfig");
                let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
                let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
                written.map_err(ExecutorError::io("cannot write the job's kubeconfig"))?;
                Ok(ClusterAccess { kubeconfig: file })
            }
            Self::InCluster {} => Err(ExecutorError::invalid(pointer, "this runner does not run in a cluster")),
        }
    }
}

/// Never the kubeconfig itself.
impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kubeconfig(_) => "Kubeconfig(..)",
            Self::InCluster {} => "InCluster",
        })
    }
}

impl ClusterAccess {
    /// The job's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Points a command at the cluster.
    #[must_use]
    pub fn point(&self, command: Command) -> Command {
        command.env("KUBECONFIG", &self.kubeconfig)
    }
}
