//! The `terraform` kind: from payload to calls of the program.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use executor_api::{Artifact, ArtifactBody, Executor, ExecutorError, Input, Job, JobContext, Outcome, params_of};
use job_source::Source;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::backend::Backend;
use crate::params::{Action, TerraformParams};
use crate::plan::{PlanDocument, PlanSummary};
use crate::terraform::{PlanMode, Terraform};

/// The seed's name of a plan artifact.
const PLAN: &str = "terraform.plan.out";
/// The working directory that the plan was made in, with its lock file: an apply needs the same.
const WORKSPACE: &str = "workspace.tar.gz";

/// Runs terraform and tofu.
pub(crate) struct TerraformExecutor;

#[async_trait]
impl Executor for TerraformExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: TerraformParams = params_of(job)?;
        params.check()?;
        if let Some(plan) = planned(job, &params)? {
            let artifact = |name: &str| Input::Artifact { job_id: plan.clone(), name: name.to_owned() };
            return Ok(vec![Input::JobRecord(plan.clone()), artifact(PLAN), artifact(WORKSPACE)]);
        }
        Ok(source(&params)?.inputs())
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: TerraformParams = job.params()?;
        params.check()?;
        if let Some(plan) = planned(job.job(), &params)? {
            return apply_planned(job, &params, plan).await;
        }
        let run = Run::prepare(job, params).await?;
        match run.params.action {
            Action::Plan => run.plan().await,
            Action::Apply => run.plan_and_apply(run.mode()).await,
            Action::Destroy => run.plan_and_apply(PlanMode::Destroy).await,
            Action::Validate => run.validate().await,
            Action::Output => run.output().await,
            Action::Drift => run.drift().await,
        }
    }
}

/// The job whose plan is to be applied.
fn planned<'a>(job: &'a Job, params: &TerraformParams) -> Result<Option<&'a executor_api::JobId>, ExecutorError> {
    match (&job.plan_job_id, params.action) {
        (Some(plan), Action::Apply | Action::Destroy) => Ok(Some(plan)),
        (Some(_), _) => {
            Err(ExecutorError::invalid("/action", "a plan can only be applied; leave plan_job_id out, or say apply"))
        }
        (None, _) => Ok(None),
    }
}

fn source(params: &TerraformParams) -> Result<&Source, ExecutorError> {
    let missing = || ExecutorError::invalid("/source", "say what to run: an archive, a git repository or files");
    params.source.as_ref().ok_or_else(missing)
}

fn backend(params: &TerraformParams) -> Result<&Backend, ExecutorError> {
    let missing = || {
        let remedy = "say where the state is kept, for example {\"type\": \"plane\", \"name\": \"network\"}";
        ExecutorError::invalid("/backend", remedy)
    };
    params.backend.as_ref().ok_or_else(missing)
}

/// Asked before we add a file of our own: terraform would take that for a stack.
fn refuse_no_stack(dir: &Path) -> Result<(), ExecutorError> {
    let entries = std::fs::read_dir(dir).map_err(ExecutorError::io("cannot look into the source"))?;
    let is_stack = |name: &str| [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end));
    let found = entries.filter_map(Result::ok).any(|entry| entry.file_name().to_str().is_some_and(is_stack));
    let remedy = "the source has no .tf files in its root; pack the right folder, or give `path` for git";
    if found { Ok(()) } else { Err(ExecutorError::invalid("/source", remedy)) }
}

/// One run on sources of its own.
struct Run<'a> {
    job: &'a JobContext,
    terraform: Terraform<'a>,
    params: TerraformParams,
}

impl<'a> Run<'a> {
    async fn prepare(job: &'a JobContext, params: TerraformParams) -> Result<Self, ExecutorError> {
        let mut terraform = Terraform::find(job, &params).await?;
        source(&params)?.unpack(job, job.work_dir(), "/source").await?;
        refuse_no_stack(job.work_dir())?;
        if params.action == Action::Validate {
            terraform.init_without_backend().await?;
        } else {
            terraform.use_backend(backend(&params)?.prepare(job, job.work_dir())?);
            terraform.init().await?;
        }
        Ok(Self { job, terraform, params })
    }

    fn mode(&self) -> PlanMode {
        if self.params.destroy { PlanMode::Destroy } else { PlanMode::Normal }
    }

    async fn make_plan(&self, mode: PlanMode) -> Result<(PathBuf, PlanDocument), ExecutorError> {
        let file = self.job.paths().temp.join("plan");
        if mode == PlanMode::Destroy {
            // A plan of destruction prints values from the state, where terraform has forgotten which are sensitive.
            // Reading the outputs hides those that the stack calls sensitive.
            self.terraform.outputs().await?;
        }
        self.terraform.plan(mode, &self.params.variables, &file).await?;
        let document = self.terraform.show(&file).await?;
        Ok((file, document))
    }

    async fn plan(&self) -> Result<Outcome, ExecutorError> {
        let (file, document) = self.make_plan(self.mode()).await?;
        let plan_sha256 = digest(&file)?;
        let workspace =
            job_source::pack(self.job.work_dir()).map_err(|error| ExecutorError::Other(error.to_string()))?;
        let workspace_sha256 = hex::encode(Sha256::digest(&workspace));
        for (name, media_type, body) in [
            (PLAN, "application/octet-stream", ArtifactBody::File(file)),
            (WORKSPACE, "application/gzip", ArtifactBody::Bytes(workspace)),
            ("plan.json", "application/json", ArtifactBody::Bytes(document.redacted().to_string().into_bytes())),
        ] {
            let artifact = Artifact { name: name.to_owned(), media_type: media_type.to_owned(), body };
            self.job.artifact(artifact).await?;
        }
        let summary = document.summary();
        self.job.log().system(line(&summary));
        Ok(Outcome::success()
            .with("plan_completed", true)
            .with("plan_file_key", format!("{}/{PLAN}", self.job.job().id))
            .with("plan_sha256", plan_sha256)
            .with("workspace_sha256", workspace_sha256)
            .with("plan_result", document.result())
            .with("plan_summary", json!(summary))
            .with("has_changes", summary.has_changes)
            .with("tool", self.terraform.tool(&document))
            .with("backend", backend(&self.params)?.fingerprint())
            .with("configuration_hash", configuration_hash(&self.params)))
    }

    async fn plan_and_apply(&self, mode: PlanMode) -> Result<Outcome, ExecutorError> {
        let (file, document) = self.make_plan(mode).await?;
        let summary = document.summary();
        self.job.log().system(line(&summary));
        // From here on the world changes, and this job is never run again.
        self.job.commit_point().await?;
        self.terraform.apply(&file).await?;
        applied(&self.terraform, &summary).await
    }

    async fn validate(&self) -> Result<Outcome, ExecutorError> {
        let answer = self.terraform.validate().await?;
        if answer["valid"] == true {
            return Ok(Outcome::success().with("valid", true).with("diagnostics", answer["diagnostics"].clone()));
        }
        let first = answer["diagnostics"].as_array().and_then(|all| all.iter().find(|one| one["severity"] == "error"));
        let text = first.and_then(|one| one["summary"].as_str()).unwrap_or("see the log").to_owned();
        Err(ExecutorError::InvalidInput {
            pointer: Some("/source".to_owned()),
            message: format!("the stack is not valid: {text}"),
        })
    }

    async fn output(&self) -> Result<Outcome, ExecutorError> {
        Ok(Outcome::success().with("outputs", self.terraform.outputs().await?))
    }

    async fn drift(&self) -> Result<Outcome, ExecutorError> {
        let (_, document) = self.make_plan(PlanMode::RefreshOnly).await?;
        let drift = document.drift();
        self.job.log().system(format!("{} resource(s) have drifted", drift.len()));
        Ok(Outcome::success().with("has_drift", !drift.is_empty()).with("drift", json!(drift)))
    }
}

/// Applies exactly the plan of another job.
async fn apply_planned(
    job: &JobContext,
    params: &TerraformParams,
    plan: &executor_api::JobId,
) -> Result<Outcome, ExecutorError> {
    let artifact = |name: &str| job.input(&Input::Artifact { job_id: plan.clone(), name: name.to_owned() });
    let (file, workspace) = (artifact(PLAN)?, artifact(WORKSPACE)?);
    let planned = read_record(&job.input(&Input::JobRecord(plan.clone()))?)?;
    let original = check_plan(params, &planned, &file, &workspace)?;

    let mut terraform = Terraform::find(job, &TerraformParams { env: params.env.clone(), ..original.clone() }).await?;
    if Some(json!(terraform.engine())) != planned.metadata("tool").map(|tool| tool["engine"].clone()) {
        let error = format!("the plan was made by another program than {}; plan again", terraform.engine().program());
        return Err(ExecutorError::invalid("/engine", error));
    }
    job_source::unpack(&workspace, job.work_dir(), "/plan_job_id").await?;
    terraform.use_backend(backend(&original)?.prepare(job, job.work_dir())?);
    terraform.init().await?;
    job.log().system(format!("applying exactly the plan of job {plan}"));
    job.commit_point().await?;
    terraform.apply(&file).await?;
    let summary: Value = planned.metadata("plan_summary").cloned().unwrap_or_default();
    let outputs = terraform.outputs().await?;
    Ok(Outcome::success().with("apply_completed", true).with("plan_summary", summary).with("outputs", outputs))
}

struct PlanRecord(Job);

impl PlanRecord {
    fn metadata(&self, name: &str) -> Option<&Value> {
        self.0.execution_metadata.as_ref()?.get(name)
    }
}

fn read_record(file: &Path) -> Result<PlanRecord, ExecutorError> {
    let bytes = std::fs::read(file).map_err(ExecutorError::io("cannot read the record of the plan's job"))?;
    let job = serde_json::from_slice(&bytes)
        .map_err(|error| ExecutorError::Other(format!("the record of the plan's job cannot be read: {error}")))?;
    Ok(PlanRecord(job))
}

/// A plan is a promise: the same job, the same bytes, the same stack and the same state, or nothing is applied.
fn check_plan(
    params: &TerraformParams,
    planned: &PlanRecord,
    file: &Path,
    workspace: &Path,
) -> Result<TerraformParams, ExecutorError> {
    let plan = &planned.0;
    let refuse = |why: String| Err(ExecutorError::invalid("/plan_job_id", why));
    if plan.status != executor_api::JobStatus::Success {
        return refuse(format!(
            "job {} is {}; only the plan of a job that succeeded can be applied",
            plan.id, plan.status
        ));
    }
    let original: TerraformParams = match params_of(plan) {
        Ok(original) if plan.job_type == "terraform" => original,
        _ => return refuse(format!("job {} is no terraform job", plan.id)),
    };
    if original.action != Action::Plan {
        return refuse(format!("job {} made no plan", plan.id));
    }
    for (what, file, name) in [("plan", file, "plan_sha256"), ("workspace", workspace, "workspace_sha256")] {
        if planned.metadata(name).and_then(Value::as_str) != Some(&digest(file)?) {
            return refuse(format!(
                "the {what} of job {} is not the one that was reviewed: its SHA-256 differs; plan again",
                plan.id
            ));
        }
    }
    let changed = |pointer: &str| {
        let why = format!("this has changed since the plan of job {}; leave it out, or plan again", plan.id);
        Err(ExecutorError::invalid(pointer, why))
    };
    if params.backend.is_some() && params.backend != original.backend {
        return changed("/backend");
    }
    if params.source.is_some() && params.source != original.source {
        return changed("/source");
    }
    if !params.variables.is_empty() && params.variables != original.variables {
        return changed("/variables");
    }
    Ok(original)
}

async fn applied(terraform: &Terraform<'_>, summary: &PlanSummary) -> Result<Outcome, ExecutorError> {
    let outputs = terraform.outputs().await?;
    Ok(Outcome::success().with("apply_completed", true).with("plan_summary", json!(summary)).with("outputs", outputs))
}

fn line(summary: &PlanSummary) -> String {
    format!("plan: {} to add, {} to change, {} to destroy", summary.add, summary.change, summary.destroy)
}

fn digest(file: &Path) -> Result<String, ExecutorError> {
    let bytes = std::fs::read(file).map_err(ExecutorError::io("cannot read the plan"))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// What a plan was made of: source, variables, backend and targets.
fn configuration_hash(params: &TerraformParams) -> String {
    let parts = json!([params.source, params.variables, params.backend, params.targets, params.destroy]);
    hex::encode(Sha256::digest(parts.to_string()))
}
