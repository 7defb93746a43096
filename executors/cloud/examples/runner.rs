//! A runner of one's own with the kinds of this crate and `probe`, which runs a script: for tests of what the tools of
//! a job see. It has the hidden verbs that every runner has.

use std::process::ExitCode;

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, ExecutorPlugin, JobContext, Outcome, inventory};
use executor_cloud as _;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct ProbeParams {
    /// For `/bin/sh`.
    script: String,
}

struct Probe;

#[async_trait]
impl Executor for Probe {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let ProbeParams { script } = job.params()?;
        let finished = job.tee(job.command("/bin/sh").args(["-c", &script])).await?;
        let printed = String::from_utf8_lossy(&finished.stdout).into_owned();
        Ok(Outcome::success().with("printed", printed).with("exit", finished.exit.code))
    }
}

inventory::submit! { ExecutorPlugin::new::<ProbeParams>("probe", &Probe) }

fn main() -> ExitCode {
    runner_host::main()
}
