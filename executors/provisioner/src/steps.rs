//! The steps of a job: each named, timed, and a group of its own in the log.

use std::future::Future;
use std::time::Instant;

use executor_api::{ExecutorError, JobContext, Outcome};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The steps of one job, in the order in which they were taken.
pub struct Steps<'a> {
    job: &'a JobContext,
    taken: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    name: String,
    #[serde(skip)]
    title: String,
    seconds: f64,
    done: bool,
}

impl<'a> Steps<'a> {
    /// None yet.
    #[must_use]
    pub fn new(job: &'a JobContext) -> Self {
        Self { job, taken: Vec::new() }
    }

    /// Takes a step. `phase` is the word in the job's metadata, `name` what people read. A line that starts with `---`
    /// begins a group, as viewers of build logs fold them.
    ///
    /// # Errors
    /// Those of the step.
    pub async fn take<T>(
        &mut self,
        phase: &str,
        name: &str,
        work: impl Future<Output = Result<T, ExecutorError>>,
    ) -> Result<T, ExecutorError> {
        self.job.log().system(format!("--- {name}"));
        let metadata = json!({ "phase": phase, "progress": format!("{name} ...") });
        self.job.progress(metadata.as_object().cloned().unwrap_or_default()).await?;
        let begun = Instant::now();
        let ended = work.await;
        let seconds = begun.elapsed().as_secs_f64();
        self.job
            .log()
            .system(format!("{name}: {} after {seconds:.1} s", if ended.is_ok() { "done" } else { "failed" }));
        self.taken.push(Step { name: phase.to_owned(), title: name.to_owned(), seconds, done: ended.is_ok() });
        ended
    }

    /// For the job's metadata.
    #[must_use]
    pub fn timings(&self) -> Value {
        json!(self.taken)
    }

    /// What was done before an error, and what to do about it, in words of the error where it has some.
    #[must_use]
    pub fn explain(&self, error: ExecutorError, remedy: &str) -> ExecutorError {
        let done: Vec<_> = self.taken.iter().filter(|step| step.done).map(|step| step.title.as_str()).collect();
        let note = format!("done before that: {}; {remedy}", done.join(", "));
        self.job.log().system(&note);
        let noted = |message: String| format!("{message}\n{note}");
        match error {
            ExecutorError::InvalidInput { pointer, message } => {
                ExecutorError::InvalidInput { pointer, message: noted(message) }
            }
            ExecutorError::ToolFailed { tool, exit, message } => {
                ExecutorError::ToolFailed { tool, exit, message: noted(message) }
            }
            ExecutorError::Unsuccessful(text) => ExecutorError::Unsuccessful(noted(text)),
            ExecutorError::ToolMissing(text) => ExecutorError::ToolMissing(noted(text)),
            ExecutorError::Other(text) => ExecutorError::Other(noted(text)),
            other => other,
        }
    }

    /// Ends the job: how long each step took goes into its metadata, however it ends.
    ///
    /// # Errors
    /// Those of the job.
    pub async fn finish(self, ended: Result<Outcome, ExecutorError>) -> Result<Outcome, ExecutorError> {
        match ended {
            Ok(outcome) => Ok(outcome.with("steps", self.timings())),
            Err(error) => {
                let timings = Map::from_iter([("steps".to_owned(), self.timings())]);
                if let Err(lost) = self.job.progress(timings).await {
                    self.job.log().system(format!("the times of the steps are lost: {lost}"));
                }
                Err(error)
            }
        }
    }
}
