//! BOOTSTRAP: PLAN and DEPLOY in one job, with all that both keep.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome};

use crate::deploy::{self, Ready};
use crate::plan;
use crate::stack::{self, Setup};
use crate::steps::Steps;

/// The kind `BOOTSTRAP`.
pub struct Bootstrap(pub Setup);

#[async_trait]
impl Executor for Bootstrap {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        plan::refuse_plan(job, "BOOTSTRAP")?;
        Ok(deploy::inputs(job))
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        plan::refuse_plan(job.job(), "BOOTSTRAP")?;
        let mut steps = Steps::new(job);
        let ended = self.bootstrap(job, &mut steps).await;
        steps.finish(ended).await
    }
}

impl Bootstrap {
    async fn bootstrap(&self, job: &JobContext, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
        let snapshot = stack::wanted(job)?;
        deploy::look(job, steps, &snapshot).await?;
        let (made, told) = plan::make_and_keep(&self.0, job, steps, &snapshot).await?;
        job.progress(told.clone()).await?;
        made.cost.check(snapshot.cost_ceiling_monthly)?;
        Ready { stack: made.stack, planned: made.planned, told }.bring_about(job, steps, &snapshot).await
    }
}
