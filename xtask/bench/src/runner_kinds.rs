//! The two kinds that the benchmark submits: one runs a program, one does nothing. Linked by its runners, not by itself.

use std::path::PathBuf;

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, ExecutorPlugin, JobContext, LossPolicy, Outcome, inventory};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Program {
    /// Absolute.
    program: PathBuf,
    args: Vec<String>,
}

struct RunsProgram;

#[async_trait]
impl Executor for RunsProgram {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: Program = job.params()?;
        let tool = params.program.display().to_string();
        let finished = job.run(job.command(params.program).args(params.args)).await?;
        if finished.exit.is_success() {
            return Ok(Outcome::success());
        }
        Err(ExecutorError::ToolFailed { tool, exit: finished.exit, message: finished.stderr_tail })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

struct DoesNothing;

#[async_trait]
impl Executor for DoesNothing {
    async fn execute(&self, _job: &JobContext) -> Result<Outcome, ExecutorError> {
        Ok(Outcome::success())
    }
}

inventory::submit! { ExecutorPlugin::new::<Program>("program", &RunsProgram).loss(LossPolicy::Requeue) }
inventory::submit! { ExecutorPlugin::new::<Nothing>("nothing", &DoesNothing).loss(LossPolicy::Requeue) }
