//! All that one run may touch. Lives for one job.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use process_supervisor::{Command, Environment};
use semver::VersionReq;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wire::Job;

use crate::secrets::secrets_of;
use crate::{
    Ambient, ExecutorError, ExecutorPlugin, Input, JobCredentials, JobSettings, LogSink, StopSignal, is_cloud_variable,
};

/// The folders of one run. They exist, are private to it, and go away with it.
#[derive(Clone, Debug)]
pub struct JobPaths {
    /// Where tools work.
    pub work: PathBuf,
    /// What the host fetched before the start; not there if that was nothing.
    pub inputs: PathBuf,
    /// HOME of every tool.
    pub home: PathBuf,
    /// Temporary files.
    pub temp: PathBuf,
    /// TMPDIR of every tool: the same folder, by a name that is short enough for the sockets in it.
    pub tmpdir: PathBuf,
}

impl JobPaths {
    /// The folders of the run in `root`.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let temp = root.join("tmp");
        Self {
            work: root.join("work"),
            inputs: root.join("inputs"),
            home: root.join("home"),
            tmpdir: temp.clone(),
            temp,
        }
    }
}

/// An artifact to keep for the job.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`, the first of them no `.`; unique in the job.
    pub name: String,
    /// For example `application/json`.
    pub media_type: String,
    /// What it is.
    pub body: ArtifactBody,
}

/// Where an artifact's bytes are.
#[derive(Clone, Debug)]
pub enum ArtifactBody {
    /// In a file, which is copied.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

/// What stands behind a context: a job directory, a local run, or a test.
#[async_trait]
pub trait JobBackend: Send + Sync {
    /// Writes down that the job changes the world from here on, and waits for the acknowledgement.
    async fn commit_point(&self) -> Result<(), ExecutorError>;
    /// Hands over metadata while the job runs.
    async fn progress(&self, metadata: Map<String, Value>) -> Result<(), ExecutorError>;
    /// Hands over an artifact; it is safe on disk when this returns.
    async fn artifact(&self, artifact: Artifact) -> Result<(), ExecutorError>;
}

/// What [`JobContext::new`] needs.
pub struct JobContextParts {
    /// The job as claimed.
    pub job: Job,
    /// Its folders.
    pub paths: JobPaths,
    /// What the operator set.
    pub settings: JobSettings,
    /// Its log.
    pub log: LogSink,
    /// Where it sees that it is to stop.
    pub stop: StopSignal,
    /// How long a tool has between SIGINT and SIGTERM.
    pub grace: Duration,
    /// What stands behind it.
    pub backend: Arc<dyn JobBackend>,
}

/// All that one run may touch.
pub struct JobContext(pub(crate) JobContextParts, OnceLock<AtCloud>, Mutex<BTreeSet<String>>);

/// Who the job's tools are at a cloud.
enum AtCloud {
    /// The job itself.
    Job(Box<JobCredentials>),
    /// The runner.
    Runner(Environment),
}

impl JobContext {
    /// A context for one run. The secrets of the settings, and those that the kind's schema marks `writeOnly` in the
    /// payload, are masked from here on.
    #[must_use]
    pub fn new(parts: JobContextParts) -> Self {
        for secret in secrets_of(&parts.job, &parts.settings) {
            parts.log.mask(&secret);
        }
        Self(parts, OnceLock::new(), Mutex::default())
    }

    /// The job as claimed.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.0.job
    }

    /// The payload as a type.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of the first field that does not fit.
    pub fn params<P: DeserializeOwned>(&self) -> Result<P, ExecutorError> {
        params_of(&self.0.job)
    }

    /// The working directory: empty at the start.
    #[must_use]
    pub fn work_dir(&self) -> &Path {
        &self.0.paths.work
    }

    /// The folders of this run.
    #[must_use]
    pub fn paths(&self) -> &JobPaths {
        &self.0.paths
    }

    /// What the operator set.
    #[must_use]
    pub fn settings(&self) -> &JobSettings {
        &self.0.settings
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &LogSink {
        &self.0.log
    }

    /// The file of an input that [`crate::Executor::inputs`] asked for.
    ///
    /// # Errors
    /// If it is not there.
    pub fn input(&self, input: &Input) -> Result<PathBuf, ExecutorError> {
        let file = self.0.paths.inputs.join(input.file_name());
        if file.exists() {
            Ok(file)
        } else {
            Err(ExecutorError::Other(format!("the input {:?} was not fetched", input.file_name())))
        }
    }

    /// Hides a value from the log, from error messages and from metadata.
    pub fn mask(&self, secret: &str) {
        self.0.log.mask(secret);
    }

    /// The signal to stop, for waits that are not commands.
    #[must_use]
    pub fn stop(&self) -> StopSignal {
        self.0.stop.clone()
    }

    /// Ends the job here if it was asked to stop.
    ///
    /// # Errors
    /// [`ExecutorError::Stopped`] if so.
    pub fn check_stop(&self) -> Result<(), ExecutorError> {
        self.0.stop.requested().map_or(Ok(()), |stop| Err(ExecutorError::Stopped(stop.reason)))
    }

    /// Says "from here on I change the world". Written down and acknowledged by the control plane before it returns:
    /// from then on this job is never run again by us, whatever happens. Saying it again is harmless.
    ///
    /// # Errors
    /// [`ExecutorError::CommitRefused`] or [`ExecutorError::Stopped`]: then change nothing.
    pub async fn commit_point(&self) -> Result<(), ExecutorError> {
        self.check_stop()?;
        let mut stop = self.stop();
        tokio::select! {
            // A refusal or an acknowledgement that is already there wins over a stop that comes at the same time.
            biased;
            acknowledged = self.0.backend.commit_point() => acknowledged,
            stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
        }
    }

    /// Publishes metadata while the job runs; merged key by key into the job's `execution_metadata`. Secrets are masked.
    ///
    /// # Errors
    /// If it could not be written down.
    pub async fn progress(&self, metadata: Map<String, Value>) -> Result<(), ExecutorError> {
        self.0.backend.progress(self.masked_map(metadata)).await
    }

    /// Keeps an artifact for the job. Not masked.
    ///
    /// # Errors
    /// If its name has another form, or if the job has kept one of that name; if it could not be written down.
    pub async fn artifact(&self, artifact: Artifact) -> Result<(), ExecutorError> {
        self.take_name(&artifact.name)?;
        self.0.backend.artifact(artifact).await
    }

    /// The control plane would refuse the second of two only when it is delivered, after the job.
    fn take_name(&self, name: &str) -> Result<(), ExecutorError> {
        if !wire::is_artifact_name(name) {
            return Err(ExecutorError::Other(format!("{name:?}: {}", wire::ARTIFACT_NAME_FORM)));
        }
        let mut taken = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(name.to_owned()) {
            let message = format!("the job has kept an artifact {name:?} already; give each one a name of its own");
            return Err(ExecutorError::Other(message));
        }
        Ok(())
    }

    /// Hands over a secret that the job has made, for example a first password: as an artifact that is kept encrypted
    /// and shown to few. From here on it is hidden from log, error messages and metadata.
    ///
    /// # Errors
    /// If it could not be written down.
    pub async fn secret_artifact(&self, name: &str, secret: &str) -> Result<(), ExecutorError> {
        self.mask(secret);
        let (name, media_type) = (name.to_owned(), wire::SECRET_MEDIA_TYPE.to_owned());
        self.artifact(Artifact { name, media_type, body: ArtifactBody::Bytes(secret.into()) }).await
    }

    /// `metadata` with every secret in its strings and numbers hidden.
    #[must_use]
    pub fn masked_map(&self, metadata: Map<String, Value>) -> Map<String, Value> {
        metadata.into_iter().map(|(key, value)| (key, self.masked_value(value))).collect()
    }

    /// `value` with every secret in its strings and numbers hidden.
    #[must_use]
    pub fn masked_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.0.log.masked(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.masked_value(item)).collect(),
            Value::Object(map) => Value::Object(self.masked_map(map)),
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.0.log.masked(&text);
                if masked == text { Value::Number(number) } else { Value::String(masked) }
            }
            other @ (Value::Null | Value::Bool(_)) => other,
        }
    }

    /// The program of a tool: the operator's choice, else the first on the job's PATH, else the newest that was installed
    /// with `alethia tools install` and that the tool's kind can use.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub fn tool(&self, name: &str) -> Result<PathBuf, ExecutorError> {
        self.0.settings.program(name, &usable_versions(&self.0.job.job_type, name)).ok_or_else(|| {
            let path = self.0.settings.env.get("PATH").map(String::as_str).unwrap_or_default();
            ExecutorError::ToolMissing(format!(
                "{name} is not on the runner's PATH ({path}); install it there, or with `alethia tools install {name}`"
            ))
        })
    }

    /// The newest version of a tool that was installed with `alethia tools install` and is `wanted`. For a job that
    /// asks for a version which [`Self::tool`] is not.
    #[must_use]
    pub fn installed_tool(&self, name: &str, wanted: &VersionReq) -> Option<PathBuf> {
        self.0.settings.installed(name, wanted)
    }

    /// The job's credentials at a cloud, if it has an identity.
    #[must_use]
    pub fn credentials(&self) -> Option<&JobCredentials> {
        match self.1.get() {
            Some(AtCloud::Job(credentials)) => Some(credentials),
            Some(AtCloud::Runner(_)) | None => None,
        }
    }

    /// From now on every command carries them. The first call counts.
    pub(crate) fn use_credentials(&self, credentials: JobCredentials) -> &JobCredentials {
        match self.1.get_or_init(|| AtCloud::Job(Box::new(credentials))) {
            AtCloud::Job(credentials) => credentials,
            AtCloud::Runner(_) => unreachable!("a job runs once"),
        }
    }

    /// From now on every command is who the runner is.
    pub(crate) fn use_ambient(&self, ambient: &Ambient) {
        let _ = self.1.set(AtCloud::Runner(ambient.iter().collect()));
    }

    /// A command in the working directory with the environment that every tool gets: the operator's variables, who
    /// the job is at a cloud, and this job's own HOME and TMPDIR. Nothing else is inherited.
    #[must_use]
    pub fn command(&self, program: impl Into<PathBuf>) -> Command {
        let operators = self.0.settings.env.iter();
        let (mut env, who): (Environment, _) = match self.1.get() {
            None => (operators.collect(), None),
            Some(AtCloud::Runner(who)) => (operators.collect(), Some(who)),
            // Who the job is must not be mixed with who the runner is.
            Some(AtCloud::Job(credentials)) => {
                (operators.filter(|(name, _)| !is_cloud_variable(name)).collect(), Some(credentials.environment()))
            }
        };
        for (name, value) in who.into_iter().flat_map(Environment::iter) {
            env.set(name, value);
        }
        env.set("HOME", &self.0.paths.home).set("TMPDIR", &self.0.paths.tmpdir);
        Command::new(program, env, self.work_dir())
    }
}

/// The versions of a tool that the job's kind can use, or another kind that the job composes.
fn usable_versions(kind: &str, name: &str) -> VersionReq {
    let mut plugins: Vec<_> = inventory::iter::<ExecutorPlugin>().collect();
    plugins.sort_by_key(|plugin| (plugin.kind() != kind, plugin.kind()));
    let tool = plugins.iter().flat_map(|plugin| plugin.tools()).find(|tool| tool.name == name);
    tool.and_then(|tool| VersionReq::parse(tool.versions).ok()).unwrap_or(VersionReq::STAR)
}

/// The payload of a job as a type.
///
/// # Errors
/// [`ExecutorError::InvalidInput`] with the place of the first field that does not fit.
pub fn params_of<P: DeserializeOwned>(job: &Job) -> Result<P, ExecutorError> {
    params_in(&job.config_snapshot)
}

/// A payload as a type, also that of another job.
///
/// # Errors
/// [`ExecutorError::InvalidInput`] with the place of the first field that does not fit.
pub fn params_in<P: DeserializeOwned>(payload: &Value) -> Result<P, ExecutorError> {
    serde_path_to_error::deserialize(payload).map_err(|error| ExecutorError::InvalidInput {
        pointer: Some(wire::pointer_of(error.path())).filter(|place| !place.is_empty()),
        message: error.inner().to_string(),
    })
}
