//! A context in memory, for tests of executors: no runner, no control plane, the real tools.

mod hostile;
mod machine;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use wire::{Job, LogStream, Timestamp};

use crate::{
    Artifact, ArtifactBody, ExecutorError, Input, JobBackend, JobContext, JobContextParts, JobPaths, JobSettings,
    LogSink, LogWriter, StopSignal, StopTrigger,
};

pub use hostile::{assert_no_option, hostile_words, is_plain};
pub use machine::{aws_provider, find, infracost, kubeconfig, missing, moto, tool, variable};

/// A job under test and all that it did.
pub struct TestJob {
    /// The context to run an executor with.
    pub context: JobContext,
    /// Asks the job to stop.
    pub stop: StopTrigger,
    recorded: Arc<Recorded>,
    folder: TempDir,
}

/// What a job did, in memory.
#[derive(Default)]
struct Recorded {
    log: Mutex<Vec<(LogStream, Vec<u8>)>>,
    progress: Mutex<Map<String, Value>>,
    artifacts: Mutex<BTreeMap<String, Vec<u8>>>,
    commits: Mutex<u32>,
    refuse_commit: bool,
}

/// Builds a [`TestJob`].
pub struct TestJobBuilder {
    job: Job,
    settings: JobSettings,
    inputs: Vec<(Input, Vec<u8>)>,
    grace: Duration,
    refuse_commit: bool,
}

impl TestJob {
    /// A job of `kind` with this payload. Its tools are looked up in this process's PATH; nothing else of the
    /// environment reaches them.
    #[must_use]
    pub fn builder(kind: &str, payload: &Value) -> TestJobBuilder {
        let job = json!({ "id": wire::JobId::generate(), "job_type": kind, "config_snapshot": payload,
                          "status": "CLAIMED", "attempt": 1 });
        let mut settings = JobSettings::default();
        settings.env.insert("PATH".to_owned(), search_path());
        TestJobBuilder {
            job: serde_json::from_value(job).expect("the fields above are those of a job"),
            settings,
            inputs: Vec::new(),
            grace: Duration::from_secs(30),
            refuse_commit: false,
        }
    }

    /// All of the log as text, one stream after the other as it came.
    #[must_use]
    pub fn log(&self) -> String {
        let log = lock(&self.recorded.log);
        log.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect()
    }

    /// The bytes of one stream.
    #[must_use]
    pub fn log_of(&self, stream: LogStream) -> Vec<u8> {
        let log = lock(&self.recorded.log);
        log.iter().filter(|(from, _)| *from == stream).flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// All metadata published while it ran, merged.
    #[must_use]
    pub fn progress(&self) -> Map<String, Value> {
        lock(&self.recorded.progress).clone()
    }

    /// An artifact's bytes.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.recorded.artifacts).get(name).cloned()
    }

    /// How often the commit point was passed.
    #[must_use]
    pub fn commits(&self) -> u32 {
        *lock(&self.recorded.commits)
    }

    /// The folder that holds all of the job's folders.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl TestJobBuilder {
    /// Provides an input.
    #[must_use]
    pub fn input(mut self, input: Input, bytes: impl Into<Vec<u8>>) -> Self {
        self.inputs.push((input, bytes.into()));
        self
    }

    /// Changes the settings.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut JobSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes the job.
    #[must_use]
    pub fn job(mut self, change: impl FnOnce(&mut Job)) -> Self {
        change(&mut self.job);
        self
    }

    /// How long a tool has between SIGINT and SIGTERM.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The control plane refuses the commit point.
    #[must_use]
    pub fn refuse_commit(mut self) -> Self {
        self.refuse_commit = true;
        self
    }

    /// Makes the folders and the context.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn build(self) -> std::io::Result<TestJob> {
        let folder = tempfile::tempdir()?;
        let paths = JobPaths::below(folder.path());
        for path in [&paths.work, &paths.inputs, &paths.home, &paths.temp] {
            std::fs::create_dir(path)?;
        }
        for (input, bytes) in &self.inputs {
            std::fs::write(paths.inputs.join(input.file_name()), bytes)?;
        }
        let recorded = Arc::new(Recorded { refuse_commit: self.refuse_commit, ..Recorded::default() });
        let (stop, signal) = StopSignal::new();
        let context = JobContext::new(JobContextParts {
            job: self.job,
            paths,
            settings: self.settings,
            log: LogSink::new(Box::new(Recorder(Arc::clone(&recorded)))),
            stop: signal,
            grace: self.grace,
            backend: Arc::clone(&recorded) as Arc<dyn JobBackend>,
        });
        Ok(TestJob { context, stop, recorded, folder })
    }
}

struct Recorder(Arc<Recorded>);

impl LogWriter for Recorder {
    fn append(&mut self, stream: LogStream, _at: Timestamp, bytes: &[u8]) {
        lock(&self.0.log).push((stream, bytes.to_vec()));
    }
}

#[async_trait]
impl JobBackend for Recorded {
    async fn commit_point(&self) -> Result<(), ExecutorError> {
        if self.refuse_commit {
            return Err(ExecutorError::CommitRefused("refused by the test".to_owned()));
        }
        *lock(&self.commits) += 1;
        Ok(())
    }

    async fn progress(&self, metadata: Map<String, Value>) -> Result<(), ExecutorError> {
        lock(&self.progress).extend(metadata);
        Ok(())
    }

    async fn artifact(&self, artifact: Artifact) -> Result<(), ExecutorError> {
        let bytes = match artifact.body {
            ArtifactBody::Bytes(bytes) => bytes,
            ArtifactBody::File(path) => std::fs::read(&path).map_err(ExecutorError::io("cannot read the artifact"))?,
        };
        lock(&self.artifacts).insert(artifact.name, bytes);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs in the environment of whoever started it")]
fn search_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
