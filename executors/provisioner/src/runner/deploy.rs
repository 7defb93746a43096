//! `DEPLOY_RUNNER` and `UPDATE_RUNNER`: the same stack, made or changed.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, JobContext, Outcome};
use executor_terraform::{Options, PlanMode, Stack};
use serde_json::{Map, Value, json};

use super::secrets::Secrets;
use super::state::Place;
use super::wanted::WantedRunner;
use super::{VERSIONS, template};
use crate::steps::Steps;

/// Makes a runner, or mends one.
pub(super) struct Deploy;

/// Changes a runner that there is: its task is replaced even where only a tag has moved.
pub(super) struct Update;

#[async_trait]
impl Executor for Deploy {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        deploy(job, Work::Deploy).await
    }
}

#[async_trait]
impl Executor for Update {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        deploy(job, Work::Update).await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Deploy,
    Update,
}

async fn deploy(job: &JobContext, work: Work) -> Result<Outcome, ExecutorError> {
    let mut steps = Steps::new(job);
    let ended = make(job, work, &mut steps).await;
    steps.finish(ended).await
}

async fn make(job: &JobContext, work: Work, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
    let wanted = WantedRunner::read(job.job())?;
    wanted.is_not_the_runner_of(job.job())?;
    check_cloud(job)?;
    let place = Place::of(job, &wanted)?;
    // Before anything begins: what is missing is said at once.
    let identity = job.job().cloud_identity_id.as_deref();
    let config = wanted.deploy_config(&place.known_as, identity)?;
    let secrets = Secrets::gather(job, &wanted);
    let stack = steps.take("terraform_init", "Preparing the runner's stack", open(job, &place, &secrets)).await?;
    let before = &stack.before().plain;
    if work == Work::Update && stack.resources().await? == 0 {
        let error = format!("there is no runner {} in {}; deploy it first", wanted.id, place.known_as);
        return Err(ExecutorError::Unsuccessful(error));
    }
    let deployment = match work {
        Work::Update => job.job().id.to_string(),
        Work::Deploy => before.get("deployment").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    let mut variables = wanted.variables(&deployment)?;
    variables.extend(secrets.variables(&wanted.id, before)?);
    let has_scaler = before.get("scaler").is_some_and(|scaler| !scaler.is_null());
    variables.insert("has_scaler".to_owned(), json!(has_scaler));
    let planned = stack.plan(PlanMode::Normal, &variables);
    let planned = steps.take("terraform_plan", "Planning the runner", planned).await?;
    job.log().system(planned.summary().line());
    job.progress(named("deploy_config", config)).await?;
    let told = steps.take("terraform_apply", "Making the runner", stack.apply(&planned)).await?;
    let outputs = stack.outputs().await?.shown();
    Ok(Outcome { metadata: told }.with("runner_outputs", Value::Object(outputs)))
}

/// The template in the working directory, with its secrets in terraform's environment.
pub(super) async fn open<'a>(
    job: &'a JobContext,
    place: &Place,
    secrets: &Secrets,
) -> Result<Stack<'a>, ExecutorError> {
    template::write(job)?;
    let env = secrets.environment();
    env.iter().for_each(|(_, secret)| job.mask(secret));
    let options = Options {
        version: Some(VERSIONS.to_owned()),
        lock_timeout: Some("5m".to_owned()),
        env: env.into_iter().collect(),
        ..Options::default()
    };
    Stack::open(job, &options, &place.backend).await
}

/// A runner is deployed on AWS, so the job must be somebody there.
pub(super) fn check_cloud(job: &JobContext) -> Result<(), ExecutorError> {
    match job.credentials().map(|credentials| credentials.identity().provider.as_str()) {
        None | Some("aws" | "") => Ok(()),
        Some(other) => {
            let error = format!("is an identity at {other}; a runner can be deployed on aws only");
            Err(ExecutorError::invalid("/cloud_identity_id", error))
        }
    }
}

fn named(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}
