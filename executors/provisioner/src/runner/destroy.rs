//! `DESTROY_RUNNER`: everything of a runner's stack goes; the plane then forgets the runner.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, JobContext, Outcome};
use executor_terraform::PlanMode;

use super::deploy::{check_cloud, open};
use super::secrets::Secrets;
use super::state::Place;
use super::wanted::WantedRunner;
use crate::steps::Steps;

/// Takes a runner away.
pub(super) struct Destroy;

#[async_trait]
impl Executor for Destroy {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let mut steps = Steps::new(job);
        let ended = destroy(job, &mut steps).await;
        steps.finish(ended).await
    }
}

async fn destroy(job: &JobContext, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
    let wanted = WantedRunner::read(job.job())?;
    wanted.is_not_the_runner_of(job.job())?;
    check_cloud(job)?;
    let place = Place::of(job, &wanted)?;
    let secrets = Secrets::default();
    let opened = open(job, &place, &secrets);
    let stack = steps.take("terraform_init", "Preparing the runner's stack", opened).await?;
    if stack.resources().await? == 0 {
        return nothing_left(job, &wanted, &place);
    }
    let variables = wanted.variables_of_the_end();
    let planned = stack.plan(PlanMode::Destroy, &variables);
    let planned = steps.take("terraform_plan", "Planning the end of the runner", planned).await?;
    job.log().system(planned.summary().line());
    let told = steps.take("terraform_destroy", "Taking the runner away", stack.apply(&planned)).await?;
    Ok(Outcome { metadata: told })
}

/// An earlier job may have got so far. But an empty state in the wrong place must not be taken for that.
fn nothing_left(job: &JobContext, wanted: &WantedRunner, place: &Place) -> Result<Outcome, ExecutorError> {
    if wanted.known_state.is_none() {
        return Err(ExecutorError::Unsuccessful(format!(
            "{} holds nothing, and nobody knows whether the runner's state is there: look for what runs as \
             alethia-runner-{} by hand, then forget the runner (`alethia runner remove`)",
            place.known_as, wanted.id
        )));
    }
    job.log().system("nothing of the runner is left");
    Ok(Outcome::success())
}
