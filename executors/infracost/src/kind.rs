//! The `infracost` kind: from payload to calls of the program.

use std::path::PathBuf;

use async_trait::async_trait;
use executor_api::{Artifact, ArtifactBody, Executor, ExecutorError, Input, Job, JobContext, Outcome, params_of};
use job_source::Source;
use serde_json::{Value, json};

use crate::cost_error::CostError;
use crate::infracost::Infracost;
use crate::output::Estimate;
use crate::params::{Action, InfracostParams, Usage};

/// What a plan's job keeps for readers: the plan without its secrets.
const PLAN: &str = "plan.json";
/// Infracost's whole document.
const DOCUMENT: &str = "infracost.json";

/// Runs infracost.
pub(crate) struct InfracostExecutor;

#[async_trait]
impl Executor for InfracostExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: InfracostParams = params_of(job)?;
        params.check(job)?;
        if let Some(plan) = plan_of(job) {
            return Ok(vec![plan]);
        }
        let mut inputs = Vec::new();
        for input in params.source.iter().chain(&params.compare_to).flat_map(Source::inputs) {
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
        Ok(inputs)
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: InfracostParams = job.params()?;
        params.check(job.job())?;
        let estimate = price(job, &params).await?;
        keep(job, &estimate).await?;
        tell(job, &estimate, params.action);
        let outcome = Outcome::success()
            .with("cost_summary", estimate.summary())
            .with("resources", estimate.shown_resources())
            .with("warnings", json!(estimate.warnings))
            .with("cost_file_key", format!("{}/{DOCUMENT}", job.job().id));
        Ok(match params.action {
            Action::Breakdown => outcome,
            Action::Diff => outcome.with("resource_changes", estimate.shown_changes()),
        })
    }
}

fn plan_of(job: &Job) -> Option<Input> {
    Some(Input::Artifact { job_id: job.plan_job_id.clone()?, name: PLAN.to_owned() })
}

async fn price(job: &JobContext, params: &InfracostParams) -> Result<Estimate, CostError> {
    let infracost = Infracost::find(job)?.currency(params.currency.as_deref());
    let path = match plan_of(job.job()) {
        Some(plan) => infracost.plan_file(&job.input(&plan)?)?,
        None => unpacked(job, params.source.as_ref(), "source").await?,
    };
    let usage_file = match &params.usage {
        None => None,
        Some(Usage::Inline(usage)) => Some(infracost.write_usage(&Value::Object(usage.clone()))?),
        Some(Usage::Path(name)) => Some(usage_in(path.join(name))?),
    };
    let infracost = infracost.usage_file(usage_file);
    match params.action {
        Action::Breakdown => infracost.breakdown(&path).await,
        Action::Diff => {
            let base = match &params.compare_to {
                None => None,
                Some(base) => {
                    let base = unpacked(job, Some(base), "compare_to").await?;
                    Some(infracost.breakdown(&base).await?.document)
                }
            };
            infracost.diff(&path, base.as_deref()).await
        }
    }
}

/// A source in a folder of its own below the working directory.
async fn unpacked(job: &JobContext, source: Option<&Source>, name: &str) -> Result<PathBuf, ExecutorError> {
    let pointer = format!("/{name}");
    let source = source.ok_or_else(|| ExecutorError::invalid(&pointer, "say what to price"))?;
    let dir = job.work_dir().join(name);
    std::fs::create_dir(&dir).map_err(ExecutorError::io("cannot make a folder for the source"))?;
    source.unpack(job, &dir, &pointer).await?;
    Ok(dir)
}

fn usage_in(file: PathBuf) -> Result<PathBuf, ExecutorError> {
    let is_file = std::fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
    if is_file { Ok(file) } else { Err(ExecutorError::invalid("/usage/path", "the source has no such file")) }
}

async fn keep(job: &JobContext, estimate: &Estimate) -> Result<(), ExecutorError> {
    let body = ArtifactBody::File(estimate.document.clone());
    job.artifact(Artifact { name: DOCUMENT.to_owned(), media_type: "application/json".to_owned(), body }).await
}

fn tell(job: &JobContext, estimate: &Estimate, action: Action) {
    let summary = estimate.summary();
    let money = |name: &str| match summary[name].as_str() {
        Some(digits) => format!("{digits} {}", estimate.currency.escape_debug()),
        None => "an unknown amount".to_owned(),
    };
    let (with_cost, total) = (&summary["resources_with_cost"], &summary["total_resources"]);
    job.log()
        .system(format!("costs {} a month; {with_cost} of {total} resources cost something", money("total_monthly")));
    if action == Action::Diff {
        job.log().system(format!("differs by {} a month from before", money("diff_monthly")));
    }
    for warning in &estimate.warnings {
        job.log().system(format!("warning: {}", warning.escape_debug()));
    }
}
