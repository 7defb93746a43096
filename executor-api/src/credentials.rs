//! Who a job is at a cloud provider: plugins turn its identity into files and environment for its tools.
//!
//! Before an executor runs, the plugin of the identity's provider checks it, obtains credentials and writes them into
//! a folder of this job; while it runs they are renewed; when it ends the folder goes. [`crate::JobContext::command`]
//! gives every tool the environment that points there. Nothing of it is ever in a log or in another job.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use process_supervisor::Environment;
use serde::{Deserialize, Serialize};
use wire::{CloudIdentity, Job};

use crate::{ExecutorError, Input, JobContext, JobPaths, LogSink};

/// The part of their life after which credentials are renewed.
const RENEW_AT: f64 = 0.7;
/// Renewing failed: when to try again.
const AGAIN: Duration = Duration::from_secs(15);
/// A life shorter than this is a clock that is wrong; asking without a pause would not mend it.
const SHORTEST: Duration = Duration::from_millis(500);

/// Obtains credentials at one provider.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// Checks an identity without asking anybody.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with a pointer below `/cloud_identity`.
    fn check(&self, identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError>;

    /// What the runner has to fetch from the control plane first. Called only for an identity that passed the check.
    fn inputs(&self, identity: &CloudIdentity) -> Vec<Input>;

    /// Obtains credentials for the first time, with a real call: an identity that does not work fails here.
    ///
    /// # Errors
    /// What is missing, and the command or policy that mends it.
    async fn open(&self, request: CredentialRequest) -> Result<Box<dyn CredentialSession>, ExecutorError>;

    /// Where a managed Kubernetes cluster of this provider is, and the hidden verb that gives a token for it. None if the
    /// provider says that there is no such cluster.
    ///
    /// # Errors
    /// If it cannot be looked up.
    async fn cluster(&self, job: &JobContext, cluster: &CloudCluster)
    -> Result<Option<ClusterEndpoint>, ExecutorError>;
}

/// The credentials of one job, as files that are renewed.
#[async_trait]
pub trait CredentialSession: Send + Sync {
    /// What points tools to the files; the same for the whole life of the job.
    fn environment(&self) -> Environment;

    /// Who the job is, for a person: `arn:aws:sts::...`, a service account, an application.
    fn who(&self) -> String;

    /// Writes fresh files, whole or not at all, and says until when they are good; none: for ever.
    ///
    /// # Errors
    /// If there are no fresh ones to be had; the old ones are untouched.
    async fn renew(&self) -> Result<Option<SystemTime>, ExecutorError>;
}

/// What a plugin knows when it obtains credentials.
#[derive(Clone)]
pub struct CredentialRequest {
    /// Who the job is.
    pub identity: CloudIdentity,
    /// The job.
    pub job: Job,
    /// Its folders.
    pub paths: JobPaths,
    /// Where credential files belong; private to the job and there already.
    pub folder: PathBuf,
    /// What the operator set.
    pub settings: CloudSettings,
    /// Who the runner itself is.
    pub ambient: Ambient,
    /// This program, for configuration files that name a hidden verb of it.
    pub program: PathBuf,
    /// Where every secret must be masked before it is used.
    pub log: LogSink,
}

/// A managed Kubernetes cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudCluster {
    /// Its name.
    pub name: String,
    /// Its region (AWS), location (GCP) or resource group (Azure).
    pub place: String,
    /// The place of the cluster in the payload, for messages.
    pub pointer: String,
}

/// How tools reach a managed cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEndpoint {
    /// `https://...`
    pub server: String,
    /// The cluster's certificate authority, PEM in base64, as a kubeconfig wants it.
    pub certificate_authority_data: String,
    /// The exec plugin: this program.
    pub program: PathBuf,
    /// Its arguments: a hidden verb that prints an `ExecCredential` of `client.authentication.k8s.io/v1`.
    pub args: Vec<String>,
}

/// A provider and what obtains its credentials.
pub struct CredentialPlugin {
    /// `aws`, `gcp` or `azure`.
    pub provider: &'static str,
    /// What does it.
    pub source: &'static dyn CredentialSource,
}

inventory::collect!(CredentialPlugin);

/// What the operator set about clouds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudSettings {
    /// A job without an identity may be who the runner itself is (`ALETHIA_AMBIENT_IDENTITY`).
    pub ambient_identity: bool,
    /// The runner works for organisations that do not trust each other (`ALETHIA_WORKER_MODE=cloud-hosted`). What it may
    /// do by itself proves nothing about a job: whoever names an identity must be vouched for by the plane, or by an
    /// external id that the plane made.
    pub is_shared: bool,
    /// How long one AWS session lives, in seconds (`ALETHIA_AWS_SESSION`); an hour if missing.
    pub aws_session_s: Option<u32>,
    /// Whether AWS sessions carry tags (`ALETHIA_AWS_SESSION_TAGS`): the role's trust must allow `sts:TagSession`.
    pub aws_session_tags: bool,
    /// Where a service is, by its name in executor-cloud, for example `gcp.sts` (`ALETHIA_CLOUD_ENDPOINTS`).
    pub endpoints: BTreeMap<String, String>,
}

/// The variables by which the runner itself is known at a cloud. No tool of a job that has an identity gets them.
#[derive(Clone, Default)]
pub struct Ambient(BTreeMap<String, String>);

impl Ambient {
    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Ambient {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Variables that hold a secret of the runner: a job process keeps them in memory and hides them from its tools.
pub const AMBIENT_SECRETS: &[&str] =
    &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "IDENTITY_HEADER"];

/// Whether a variable says who somebody is at a cloud, or where that cloud is.
#[must_use]
pub fn is_cloud_variable(name: &str) -> bool {
    const PREFIXES: [&str; 7] = ["AWS_", "AZURE_", "ARM_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "MSI_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || matches!(name, "IDENTITY_ENDPOINT" | "IDENTITY_HEADER")
}

/// What the runner has to fetch for a job's identity.
///
/// # Errors
/// If the identity is wrong or nothing here knows its provider.
pub fn credential_inputs(
    identity: Option<&CloudIdentity>,
    settings: &CloudSettings,
) -> Result<Vec<Input>, ExecutorError> {
    let Some(identity) = identity else { return Ok(Vec::new()) };
    let source = credential_source(&identity.provider)?;
    source.check(identity, settings)?;
    Ok(source.inputs(identity))
}

/// What obtains credentials at `provider`.
///
/// # Errors
/// If no plugin of this program does.
pub fn credential_source(provider: &str) -> Result<&'static dyn CredentialSource, ExecutorError> {
    let plugin = inventory::iter::<CredentialPlugin>.into_iter().find(|plugin| plugin.provider == provider);
    let unknown = || {
        let mut known: Vec<_> = inventory::iter::<CredentialPlugin>.into_iter().map(|one| one.provider).collect();
        known.sort_unstable();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("{provider:?} is no provider that this runner knows; it knows: {known}");
        ExecutorError::invalid("/cloud_identity/provider", message)
    };
    plugin.map(|plugin| plugin.source).ok_or_else(unknown)
}

/// Where the credentials of a job are while it runs.
#[must_use]
pub fn credential_folder(paths: &JobPaths) -> PathBuf {
    paths.home.join(".cloud")
}

/// The credentials of a job that has an identity.
pub struct JobCredentials {
    identity: CloudIdentity,
    request: CredentialRequest,
    session: Box<dyn CredentialSession>,
    environment: Environment,
}

impl JobCredentials {
    /// Who the job is.
    #[must_use]
    pub fn identity(&self) -> &CloudIdentity {
        &self.identity
    }

    /// Where its credential files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.request.folder
    }

    /// What its plugin knows.
    #[must_use]
    pub fn request(&self) -> &CredentialRequest {
        &self.request
    }

    /// Who the job is, for a person.
    #[must_use]
    pub fn who(&self) -> String {
        self.session.who()
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    async fn open(request: CredentialRequest) -> Result<(Self, Option<SystemTime>), ExecutorError> {
        let source = credential_source(&request.identity.provider)?;
        source.check(&request.identity, &request.settings)?;
        make_private(&request.folder).map_err(ExecutorError::io("cannot make the job's folder for credentials"))?;
        let session = source.open(request.clone()).await?;
        let good_until = session.renew().await?;
        let environment = session.environment();
        Ok((Self { identity: request.identity.clone(), request, session, environment }, good_until))
    }

    /// Renews the credentials in time, for as long as it is polled.
    async fn keep_fresh(&self, mut good_until: Option<SystemTime>) {
        let mut failing = false;
        loop {
            let Some(until) = good_until else { return std::future::pending().await };
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            let pause = if failing { AGAIN.min(left.mul_f64(RENEW_AT)) } else { left.mul_f64(RENEW_AT) };
            tokio::time::sleep(pause.max(SHORTEST)).await;
            match self.session.renew().await {
                Ok(until) => {
                    if failing {
                        self.request.log.system("the cloud credentials could be renewed after all");
                    }
                    (failing, good_until) = (false, until);
                }
                Err(error) => {
                    if !failing {
                        let left = until.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
                        self.request.log.system(format!(
                            "cannot renew the cloud credentials, which are good for {left} s more; trying again: {error}"
                        ));
                    }
                    failing = true;
                    // Old ones that have run out do not make us ask without a pause.
                    good_until = Some(until.max(SystemTime::now() + AGAIN));
                }
            }
        }
    }
}

/// What a run is to be under.
pub struct RunAs {
    /// Who the job is, if anybody.
    pub identity: Option<CloudIdentity>,
    /// Who the runner itself is.
    pub ambient: Ambient,
    /// This program.
    pub program: PathBuf,
}

/// Runs `work` as `run_as` says: nothing of it begins before the credentials are there, they are renewed until it
/// ends, and then they are gone, however it ends.
///
/// # Errors
/// As `work`, and if there are no credentials.
pub async fn run_as<T>(
    job: &JobContext,
    run_as: RunAs,
    work: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, ExecutorError> {
    let settings = &job.settings().cloud;
    let Some(identity) = run_as.identity else {
        if settings.ambient_identity {
            for secret in AMBIENT_SECRETS.iter().filter_map(|name| run_as.ambient.get(name)) {
                job.mask(secret);
            }
            job.use_ambient(&run_as.ambient);
        }
        return work.await;
    };
    let folder = credential_folder(job.paths());
    let _gone_at_the_end = Gone(folder.clone());
    let request = CredentialRequest {
        identity,
        job: job.job().clone(),
        paths: job.paths().clone(),
        folder,
        settings: settings.clone(),
        ambient: run_as.ambient,
        program: run_as.program,
        log: job.log().clone(),
    };
    let mut stop = job.stop();
    let (credentials, good_until) = tokio::select! {
        opened = JobCredentials::open(request) => opened?,
        stop = stop.changed_from(None) => return Err(ExecutorError::Stopped(stop.reason)),
    };
    job.log().system(format!("running as {}", credentials.who()));
    let credentials = job.use_credentials(credentials);
    tokio::select! {
        ended = work => ended,
        () = credentials.keep_fresh(good_until) => Err(ExecutorError::Other("the credentials were given up".to_owned())),
    }
}

struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        // Not there is as good.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // What is there, if anything, is not ours.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::DirBuilder::new().mode(0o700).create(folder)
}
