//! DESTROY: first what the applications made, then what terraform made. The state stays in its place, empty.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome};
use executor_terraform::{PlanMode, PlanSummary, Stack};
use serde_json::{Map, Value, json};

use crate::after_apply;
use crate::deploy;
use crate::plan::refuse_plan;
use crate::snapshot::Snapshot;
use crate::stack::{self, Setup};
use crate::steps::Steps;
use crate::tfvars::tfvars;

/// The kind `DESTROY`.
pub struct Destroy(pub Setup);

/// What a person does about a DESTROY that did not come to its end.
const AGAIN: &str = "what is gone stays gone; DESTROY again goes on from there";

#[async_trait]
impl Executor for Destroy {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        refuse_plan(job, "DESTROY")?;
        Ok(Vec::new())
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        refuse_plan(job.job(), "DESTROY")?;
        let mut steps = Steps::new(job);
        let ended = self.destroy(job, &mut steps).await;
        steps.finish(ended).await
    }
}

impl Destroy {
    async fn destroy(&self, job: &JobContext, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
        let snapshot = stack::wanted(job)?;
        deploy::look(job, steps, &snapshot).await?;
        let stack = steps.take("terraform_init", "Prepare terraform", self.0.open(job, &snapshot)).await?;
        let outputs = steps.take("outputs", "Read the outputs", stack.outputs()).await?.plain;
        // From here on the world changes, and this job is never run again.
        job.commit_point().await?;
        let gone = take_away(job, steps, &snapshot, &stack, &outputs).await;
        let (summary, mut told) = gone.map_err(|error| steps.explain(error, AGAIN))?;
        told.insert("destroyed".to_owned(), json!(true));
        told.insert("state_empty".to_owned(), json!(true));
        told.insert("plan_summary".to_owned(), json!(summary));
        Ok(Outcome { metadata: told })
    }
}

async fn take_away(
    job: &JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
    stack: &Stack<'_>,
    outputs: &Map<String, Value>,
) -> Result<(PlanSummary, Map<String, Value>), ExecutorError> {
    let told = after_apply::remove(job, steps, snapshot, outputs).await?;
    let variables = tfvars(snapshot);
    let work = stack.plan(PlanMode::Destroy, &variables);
    let planned = steps.take("terraform_plan", "Run terraform plan -destroy", work).await?;
    let summary = planned.summary();
    job.log().system(summary.line());
    if summary.has_changes {
        let work = stack.apply(planned.file());
        steps.take("terraform_destroy", "Run terraform destroy", work).await?;
    } else {
        job.log().system("there is nothing of the environment left");
    }
    match stack.resources().await? {
        0 => Ok((summary, told)),
        left => Err(ExecutorError::Unsuccessful(format!("the state still holds {left} resource(s)"))),
    }
}
