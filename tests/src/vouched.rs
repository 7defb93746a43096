//! The kind `vouched`: says what the plane says of it, and lets a tool print the token.

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use executor_api::{
    Executor, ExecutorError, ExecutorPlugin, Input, Job, JobContext, LossPolicy, Outcome, inventory, params_of,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The payload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VouchedParams {
    /// Who is to believe the token.
    audience: String,
    /// A file that it waits for between the first look at the token and the second.
    gate: Option<PathBuf>,
}

struct Vouched;

#[async_trait]
impl Executor for Vouched {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let VouchedParams { audience, gate } = job.params()?;
        let input = Input::OidcToken { audience };
        look(job, &input).await?;
        if let Some(gate) = gate {
            let wait = "while [ ! -e \"$0\" ]; do sleep 0.02; done";
            job.run(job.command("/bin/sh").arg("-c").arg(wait).arg(gate)).await?.succeeded("sh")?;
            look(job, &input).await?;
        }
        Ok(Outcome::success())
    }

    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let VouchedParams { audience, .. } = params_of(job)?;
        Ok(vec![Input::OidcToken { audience }])
    }
}

async fn look(job: &JobContext, input: &Input) -> Result<(), ExecutorError> {
    let Ok(file) = job.input(input) else {
        job.log().system("no token");
        return Ok(());
    };
    let token = std::fs::read_to_string(&file).map_err(ExecutorError::io("cannot read the token"))?;
    let body = token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok()).unwrap_or_default();
    job.log().system(format!("claims {}", String::from_utf8_lossy(&body)));
    job.run(job.command("/bin/cat").arg(file)).await?.succeeded("cat")?;
    Ok(())
}

inventory::submit! {
    ExecutorPlugin::new::<VouchedParams>("vouched", &Vouched).summary("Says who it is").loss(LossPolicy::Requeue)
}
