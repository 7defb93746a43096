//! A team's own kind of job: `hello` greets somebody, with a real program, as often as it is asked to.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, ExecutorPlugin, JobContext, LossPolicy, Outcome, inventory};
use schemars::JsonSchema;
use serde::Deserialize;

/// The payload. Its JSON Schema, with these comments, is what the control plane checks and shows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HelloParams {
    /// Whom to greet.
    name: String,
    /// How often.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    times: Option<u32>,
}

struct Hello;

#[async_trait]
impl Executor for Hello {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let HelloParams { name, times } = job.params()?;
        let times = times.unwrap_or(1);
        for _ in 0..times {
            let echo = job.command(job.tool("echo")?).arg(format!("hello, {name}"));
            job.run(echo).await?.succeeded("echo")?;
        }
        Ok(Outcome::success().with("greeted", times))
    }
}

inventory::submit! {
    ExecutorPlugin::new::<HelloParams>("hello", &Hello).summary("Greets somebody").loss(LossPolicy::Requeue)
}
