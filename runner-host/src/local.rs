//! A job without a control plane: the same executors, here and now, in this process.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use executor_api::{
    Ambient, Artifact, ArtifactBody, CloudIdentity, CloudSettings, ExecutorError, ExecutorPlugin, ExecutorRegistry,
    Input, JobBackend, JobContext, JobContextParts, JobPaths, JobSettings, LogSink, LogWriter, Outcome, StopSignal,
    StopTrigger, run_as,
};
use serde_json::{Map, Value};
use wire::{HIDDEN, Job, JobId, JobStatus, secret_places};

use crate::short_name::ShortName;
use crate::{Variables, cloud, time_limit};

/// The record of a job that succeeded, beside its artifacts: with it, a later run may apply the plan among them.
pub const RECORD: &str = "job.json";

/// One run. All its folders lie in one folder of the caller's.
pub struct LocalRun {
    job: Job,
    folder: PathBuf,
    artifacts: PathBuf,
    settings: JobSettings,
    identity: Option<CloudIdentity>,
    ambient: Ambient,
    stop: StopTrigger,
    signal: StopSignal,
}

impl LocalRun {
    /// A job of `kind` with this payload. `folder` holds the run's folders, `artifacts` what the job keeps; both are
    /// made if need be.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn new(
        kind: &str,
        payload: &Value,
        settings: JobSettings,
        folder: &Path,
        artifacts: &Path,
    ) -> std::io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let artifacts = std::path::absolute(artifacts)?;
        for dir in ["work", "inputs", "home", "tmp"] {
            std::fs::create_dir_all(folder.join(dir))?;
        }
        std::fs::create_dir_all(&artifacts)?;
        let (stop, signal) = StopSignal::new();
        // Who starts it here and now may let it be whoever he is.
        let settings = JobSettings { cloud: CloudSettings { ambient_identity: true, ..settings.cloud }, ..settings };
        let ambient = Variables::of_process().ambient();
        Ok(Self { job: job_of(kind, payload), folder, artifacts, settings, identity: None, ambient, stop, signal })
    }

    /// The job, for a caller that wants to change it, for example its `plan_job_id`.
    pub fn job_mut(&mut self) -> &mut Job {
        &mut self.job
    }

    /// Who the job is at a cloud; else it is whoever runs it, or whom its payload names.
    pub fn run_as(&mut self, identity: CloudIdentity) {
        self.identity = Some(identity);
    }

    /// Asks the run to stop: as often as one likes, from anywhere.
    #[must_use]
    pub fn stop_trigger(&self) -> StopTrigger {
        self.stop.clone()
    }

    /// What the executor needs before it starts; the caller puts each into [`Self::input_file`].
    ///
    /// # Errors
    /// An unknown kind, or a payload that does not say it properly.
    pub fn inputs(&self, registry: &ExecutorRegistry) -> Result<Vec<Input>, ExecutorError> {
        plugin(registry, &self.job.job_type)?.executor().inputs(&self.job)
    }

    /// Where an input's file belongs.
    #[must_use]
    pub fn input_file(&self, input: &Input) -> PathBuf {
        self.folder.join("inputs").join(input.file_name())
    }

    /// Runs it to its end, or until its time is over: as a job of a runner, it has the time that its kind gives it, unless
    /// the job's `timeout_s` says otherwise. Metadata that the job publishes on its way is part of the outcome.
    ///
    /// # Errors
    /// As the executor says.
    pub async fn run(self, registry: &ExecutorRegistry, log: Box<dyn LogWriter>) -> Result<Outcome, ExecutorError> {
        let plugin = plugin(registry, &self.job.job_type)?;
        let backend = LocalBackend { artifacts: self.artifacts.clone(), progress: std::sync::Mutex::default() };
        let backend = Arc::new(backend);
        let log = LogSink::new(log);
        let deaf = self.signal.clone();
        let mut paths = JobPaths::below(&self.folder);
        let _name = ShortName::give(&mut paths, &log);
        let context = JobContext::new(JobContextParts {
            job: self.job,
            paths,
            settings: self.settings,
            log: log.clone(),
            stop: self.signal,
            grace: plugin.cancel_grace(),
            backend: Arc::clone(&backend) as Arc<dyn JobBackend>,
        });
        let who = cloud::run_as(self.identity, plugin, context.job(), &context.settings().cloud, self.ambient);
        let work = run_as(&context, who?, plugin.executor().execute(&context));
        let work = time_limit::unless_deaf(plugin, deaf, work);
        let ended = time_limit::within(time_limit::of(context.job(), plugin), &self.stop, work).await;
        let ended = ended.unwrap_or_else(|reason| Err(ExecutorError::Stopped(reason)));
        log.flush();
        let outcome = ended?;
        let mut metadata = backend.take_progress();
        metadata.extend(context.masked_map(outcome.metadata));
        let record = record_of(plugin, context.job(), &metadata);
        let kept = write_private(&self.artifacts.join(RECORD), record.to_string().as_bytes()).await;
        kept.map_err(ExecutorError::io("cannot keep the record of the job"))?;
        Ok(Outcome { metadata })
    }
}

/// A job that succeeded, as a control plane shows it.
fn record_of(plugin: &ExecutorPlugin, job: &Job, metadata: &Map<String, Value>) -> Value {
    let mut shown = job.clone();
    for secret in secret_places(&plugin.info().schema, &job.config_snapshot) {
        if let Some(value) = shown.config_snapshot.pointer_mut(&secret.pointer) {
            *value = HIDDEN.into();
        }
    }
    shown.status = JobStatus::Success;
    shown.execution_metadata = Some(Value::Object(metadata.clone()));
    serde_json::json!(shown)
}

/// Plans and secret artifacts are for nobody else.
async fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let (file, bytes) = (file.to_owned(), bytes.to_vec());
    let written = tokio::task::spawn_blocking(move || {
        let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
        io::Write::write_all(&mut opened?, &bytes)
    });
    written.await.map_err(io::Error::other)?
}

fn plugin<'a>(registry: &'a ExecutorRegistry, kind: &str) -> Result<&'a ExecutorPlugin, ExecutorError> {
    registry.get(kind).map_err(|error| ExecutorError::InvalidInput { pointer: None, message: error.to_string() })
}

fn job_of(kind: &str, payload: &Value) -> Job {
    let fields = serde_json::json!({ "id": JobId::generate(), "job_type": kind, "config_snapshot": payload,
                                     "status": "PROCESSING", "attempt": 1 });
    serde_json::from_value(fields).expect("the fields above are those of a job")
}

struct LocalBackend {
    artifacts: PathBuf,
    progress: std::sync::Mutex<Map<String, Value>>,
}

impl LocalBackend {
    fn lock(&self) -> std::sync::MutexGuard<'_, Map<String, Value>> {
        self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take_progress(&self) -> Map<String, Value> {
        std::mem::take(&mut self.lock())
    }
}

#[async_trait]
impl JobBackend for LocalBackend {
    async fn commit_point(&self) -> Result<(), ExecutorError> {
        Ok(())
    }

    async fn progress(&self, metadata: Map<String, Value>) -> Result<(), ExecutorError> {
        self.lock().extend(metadata);
        Ok(())
    }

    async fn artifact(&self, artifact: Artifact) -> Result<(), ExecutorError> {
        let target = self.artifacts.join(&artifact.name);
        let kept = match &artifact.body {
            ArtifactBody::Bytes(bytes) => write_private(&target, bytes).await,
            ArtifactBody::File(file) => match tokio::fs::read(file).await {
                Ok(bytes) => write_private(&target, &bytes).await,
                Err(error) => Err(error),
            },
        };
        kept.map_err(ExecutorError::io(format!("cannot keep the artifact {}", target.display())))
    }
}
