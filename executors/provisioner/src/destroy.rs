//! DESTROY: first what the applications made, then what terraform made. The state stays in its place, empty.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome};
use executor_terraform::{PlanMode, PlanSummary, Planned, Stack};
use serde_json::json;

use crate::after_apply;
use crate::deploy;
use crate::plan::refuse_plan;
use crate::snapshot::{Snapshot, Stage};
use crate::stack::{self, Setup};
use crate::steps::Steps;
use crate::tfvars::tfvars;

/// The kind `DESTROY`.
pub struct Destroy(pub Setup);

/// What a person does about a DESTROY that did not come to its end.
const AGAIN: &str = "what is gone stays gone; DESTROY again goes on from there";

/// A container of blobs, in `templates/environment/azure/storage.tf`.
const CONTAINER: &str = "azurerm_storage_container.";

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
        // Before anything goes: a lock that somebody else holds, or rights that are missing, are found here.
        let variables = tfvars(&snapshot);
        let work = stack.plan(PlanMode::Destroy, &variables);
        let planned = steps.take("terraform_plan", "Run terraform plan -destroy", work).await?;
        let summary = planned.summary();
        job.log().system(summary.line());
        refuse_containers(&snapshot, &summary)?;
        // What the applications made goes before terraform changes anything.
        job.commit_point().await?;
        let gone = async {
            let told = after_apply::remove(job, steps, &snapshot, &stack.before().plain).await?;
            take_away(job, steps, &stack, &planned).await?;
            Ok(told)
        };
        let gone = gone.await;
        let mut told = gone.map_err(|error| steps.explain(error, AGAIN))?;
        told.insert("destroyed".to_owned(), json!(true));
        told.insert("state_empty".to_owned(), json!(true));
        told.insert("plan_summary".to_owned(), json!(summary));
        Ok(Outcome { metadata: told })
    }
}

/// In production no bucket goes unless it is empty. AWS and Google see to that by themselves; Azure deletes a container
/// with all that is in it.
fn refuse_containers(snapshot: &Snapshot, plan: &PlanSummary) -> Result<(), ExecutorError> {
    let addresses = plan.resources.iter().map(|change| change.address.as_str());
    let containers: Vec<_> = addresses.filter(|address| address.starts_with(CONTAINER)).collect();
    if containers.is_empty() || snapshot.environment_stage != Stage::Production {
        return Ok(());
    }
    Err(ExecutorError::Unsuccessful(format!(
        "Azure would delete these with all that is in them, so nothing is destroyed:\n  {}\ntake out what is \
         needed, and PLAN and DEPLOY the snapshot without these storage_buckets, which names what it deletes; then \
         DESTROY again",
        containers.join("\n  ")
    )))
}

/// What the applications made is in no state, so the plan of before is still right.
async fn take_away(
    job: &JobContext,
    steps: &mut Steps<'_>,
    stack: &Stack<'_>,
    planned: &Planned,
) -> Result<(), ExecutorError> {
    if planned.summary().has_changes {
        let work = stack.apply(planned);
        steps.take("terraform_destroy", "Run terraform destroy", work).await?;
    } else {
        job.log().system("there is nothing of the environment left");
    }
    match stack.resources().await? {
        0 => Ok(()),
        left => Err(ExecutorError::Unsuccessful(format!("the state still holds {left} resource(s)"))),
    }
}
