//! The steps of a job: each named, timed, and a group of its own in the log.

use std::future::Future;
use std::time::Instant;

use executor_api::{ExecutorError, JobContext};
use serde::Serialize;
use serde_json::{Value, json};

/// The steps of one job, in the order in which they were taken.
pub struct Steps<'a> {
    job: &'a JobContext,
    taken: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    name: String,
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
        self.taken.push(Step { name: phase.to_owned(), seconds, done: ended.is_ok() });
        ended
    }

    /// For the job's metadata.
    #[must_use]
    pub fn timings(&self) -> Value {
        json!(self.taken)
    }
}
