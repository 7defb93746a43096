//! What a payload says about its cluster.

use std::fmt;
use std::path::Path;

use executor_api::{ExecutorError, Input, JobContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ClusterAccess;
use crate::in_cluster::{self, SERVICE_ACCOUNT};
use crate::kubeconfig::{self, Kubeconfig};
use crate::managed::{Aks, Eks, Gke};

/// Which cluster a job works on. Exactly one of these.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cluster {
    /// The text of a kubeconfig, YAML or JSON. A secret. Only its current context counts. Certificates and keys stand
    /// in it (`*-data`), and of programs it may name `aws`, `aws-iam-authenticator`, `gke-gcloud-auth-plugin` and
    /// `kubelogin`; none of them is who the runner's machine is, unless its operator lends that to jobs.
    Kubeconfig(#[schemars(extend("writeOnly" = true, "contentMediaType" = "application/yaml"))] String),
    /// The cluster that the runner itself runs in, as the service account of its pod. Only where the runner's operator
    /// lets jobs be who the runner is.
    InCluster {},
    /// A cluster of AWS, as the job's cloud identity.
    Eks(Eks),
    /// A cluster of GCP, as the job's cloud identity.
    Gke(Gke),
    /// A cluster of Azure, as the job's cloud identity.
    Aks(Aks),
}

impl Cluster {
    /// Checks what can be checked without asking anybody. `pointer` is the place of the cluster in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong; inside a kubeconfig too.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        match self {
            Self::Kubeconfig(text) => kubeconfig::read(text, &format!("{pointer}/kubeconfig")).map(drop),
            Self::InCluster {} => Ok(()),
            Self::Eks(cluster) => cluster.managed().check(pointer),
            Self::Gke(cluster) => cluster.managed().check(pointer),
            Self::Aks(cluster) => cluster.managed().check(pointer),
        }
    }

    /// What has to be fetched before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    /// Writes a kubeconfig for the job and hides what is secret in it from the log. `pointer` is the place of the
    /// cluster in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if it is refused, [`ExecutorError::ToolMissing`] if it needs a program that the
    /// runner does not have.
    pub async fn prepare(&self, job: &JobContext, pointer: &str) -> Result<ClusterAccess, ExecutorError> {
        self.kubeconfig(job, pointer, Path::new(SERVICE_ACCOUNT)).await?.write(job)
    }

    /// As [`Self::prepare`], for who can do without: none if the cloud says that there is no such cluster.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub async fn find(&self, job: &JobContext, pointer: &str) -> Result<Option<ClusterAccess>, ExecutorError> {
        let found = match self {
            Self::Kubeconfig(_) | Self::InCluster {} => return self.prepare(job, pointer).await.map(Some),
            Self::Eks(cluster) => cluster.managed().find(job, pointer).await?,
            Self::Gke(cluster) => cluster.managed().find(job, pointer).await?,
            Self::Aks(cluster) => cluster.managed().find(job, pointer).await?,
        };
        found.map(|kubeconfig| kubeconfig.write(job)).transpose()
    }

    /// The way to the cluster. `pod` is the folder of the pod's service account.
    pub(crate) async fn kubeconfig(
        &self,
        job: &JobContext,
        pointer: &str,
        pod: &Path,
    ) -> Result<Kubeconfig, ExecutorError> {
        match self {
            Self::Kubeconfig(text) => {
                for secret in kubeconfig::secrets(text) {
                    job.mask(&secret);
                }
                let pointer = format!("{pointer}/kubeconfig");
                kubeconfig::without_the_machine(job, kubeconfig::read(text, &pointer)?, &pointer)
            }
            Self::InCluster {} => in_cluster::kubeconfig(job, pod, &format!("{pointer}/in_cluster")),
            Self::Eks(cluster) => cluster.managed().kubeconfig(job, pointer).await,
            Self::Gke(cluster) => cluster.managed().kubeconfig(job, pointer).await,
            Self::Aks(cluster) => cluster.managed().kubeconfig(job, pointer).await,
        }
    }
}

/// Never the kubeconfig itself.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubeconfig(_) => "Kubeconfig(..)",
            Self::InCluster {} => "InCluster",
            Self::Eks(cluster) => return cluster.fmt(f),
            Self::Gke(cluster) => return cluster.fmt(f),
            Self::Aks(cluster) => return cluster.fmt(f),
        })
    }
}
