//! What a plugin author implements.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{CloudIdentity, ExecutorError, Input, Job, JobContext};

/// Runs jobs of one kind. A unit struct: all that varies comes with the job.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Runs one job to its end.
    ///
    /// Return when the work is done or has failed; obey [`JobContext::stop`] between steps (commands run through the
    /// context obey it by themselves). Call [`JobContext::commit_point`] before the first step that changes the
    /// world. A panic is caught and fails the job.
    ///
    /// Never block the thread: while it stands still, nothing of the job hears a timeout or a cancel, and only a cancel
    /// with force ends it, by killing it and its tools.
    ///
    /// # Errors
    /// What went wrong; see [`ExecutorError`] for who reads which variant.
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError>;

    /// What has to be fetched from the control plane before the job starts. Pure: look at the payload only.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if the payload does not say it properly.
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let _ = job;
        Ok(Vec::new())
    }

    /// Who the job is at a cloud, where the payload says it. Believed only where the runner's operator lets a job be
    /// anybody that the runner can be; else the control plane alone decides. Pure.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if the payload does not say it properly.
    fn identity(&self, job: &Job) -> Result<Option<CloudIdentity>, ExecutorError> {
        let _ = job;
        Ok(None)
    }
}

/// A job that succeeded, and what it has to say to programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Merged into the job's `execution_metadata`, key by key.
    pub metadata: Map<String, Value>,
}

impl Outcome {
    /// Success with nothing to add.
    #[must_use]
    pub fn success() -> Self {
        Self::default()
    }

    /// Adds one fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }
}
