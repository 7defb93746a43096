//! PLAN: what would change in an environment, and what it would cost.

use std::time::SystemTime;

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome};
use executor_terraform::{PlanMode, Planned, Stack};
use serde_json::{Map, Value, json};

use crate::cost::Cost;
use crate::snapshot::Snapshot;
use crate::stack::{self, Setup};
use crate::steps::Steps;
use crate::tfvars::tfvars;

/// The kind `PLAN`.
pub struct Plan(pub Setup);

#[async_trait]
impl Executor for Plan {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        refuse_plan(job, "PLAN")?;
        Ok(Vec::new())
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        refuse_plan(job.job(), "PLAN")?;
        let mut steps = Steps::new(job);
        let ended = self.plan(job, &mut steps).await;
        steps.finish(ended).await
    }
}

impl Plan {
    async fn plan(&self, job: &JobContext, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
        let snapshot = stack::wanted(job)?;
        steps.take("preflight", "Look for the tools", async { stack::preflight(job, &[]) }).await?;
        let (_, metadata) = make_and_keep(&self.0, job, steps, &snapshot).await?;
        Ok(Outcome { metadata })
    }
}

/// A plan of now, and its cost.
pub(crate) struct Made<'a> {
    pub(crate) stack: Stack<'a>,
    pub(crate) planned: Planned,
    pub(crate) cost: Cost,
}

/// Plans the whole environment, for this job to apply it and nobody else.
pub(crate) async fn make<'a>(
    setup: &Setup,
    job: &'a JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
) -> Result<Made<'a>, ExecutorError> {
    let stack = steps.take("terraform_init", "Prepare terraform", setup.open(job, snapshot)).await?;
    let variables = tfvars(snapshot);
    let work = stack.plan(PlanMode::Normal, &variables);
    let planned = steps.take("terraform_plan", "Run terraform plan", work).await?;
    let cost = cost_of(job, steps, &planned).await?;
    Ok(Made { stack, planned, cost })
}

/// The same for the DEPLOY that names it: keeps it, and says all about it.
pub(crate) async fn make_and_keep<'a>(
    setup: &Setup,
    job: &'a JobContext,
    steps: &mut Steps<'_>,
    snapshot: &Snapshot,
) -> Result<(Made<'a>, Map<String, Value>), ExecutorError> {
    let stack = steps.take("terraform_init", "Prepare terraform", setup.open(job, snapshot)).await?;
    let variables = tfvars(snapshot);
    let work = stack.plan_to_keep(PlanMode::Normal, &variables);
    let kept = steps.take("terraform_plan", "Run terraform plan", work).await?;
    let cost = cost_of(job, steps, &kept.planned).await?;
    let mut told = steps.take("keep_plan", "Keep the plan", stack.keep(&kept)).await?;
    told.extend(cost.told.clone());
    told.insert("configuration_hash".to_owned(), json!(snapshot.configuration_hash()));
    told.insert("planned_at".to_owned(), json!(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()));
    Ok((Made { stack, planned: kept.planned, cost }, told))
}

/// Says what a plan does, and what that costs.
async fn cost_of(job: &JobContext, steps: &mut Steps<'_>, planned: &Planned) -> Result<Cost, ExecutorError> {
    job.log().system(planned.summary().line());
    estimate(job, steps, planned).await
}

/// A step only where there is a key.
pub(crate) async fn estimate(
    job: &JobContext,
    steps: &mut Steps<'_>,
    planned: &Planned,
) -> Result<Cost, ExecutorError> {
    let work = Cost::estimate(job, planned);
    if job.settings().infracost_api_key.is_some() {
        steps.take("infracost", "Estimate the cost", work).await
    } else {
        work.await
    }
}

/// Only a DEPLOY applies the plan of another job.
pub(crate) fn refuse_plan(job: &Job, kind: &str) -> Result<(), ExecutorError> {
    match &job.plan_job_id {
        Some(_) => Err(ExecutorError::invalid("/plan_job_id", format!("a {kind} takes no plan; leave this out"))),
        None => Ok(()),
    }
}
