//! The kind `program`: runs any program, with a short way from the first signal to the next.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, ExecutorPlugin, JobContext, Outcome, inventory};
use schemars::JsonSchema;
use serde::Deserialize;

/// The payload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProgramParams {
    /// An absolute path.
    program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
}

struct Program;

#[async_trait]
impl Executor for Program {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let ProgramParams { program, args } = job.params()?;
        let finished = job.run(job.command(program).args(args)).await?;
        Ok(Outcome::success().with("exit", finished.exit.code))
    }
}

inventory::submit! {
    ExecutorPlugin::new::<ProgramParams>("program", &Program)
        .summary("Runs a program, for tests")
        .grace(Duration::from_millis(300))
}
