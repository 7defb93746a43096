//! The `terraform` kind: from payload to calls of the program.

use std::path::Path;

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, JobId, Outcome, params_in, params_of};
use job_source::Source;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::backend::Backend;
use crate::files;
use crate::options::Options;
use crate::params::{Action, TerraformParams};
use crate::saved_plan::SavedPlan;
use crate::stack::Stack;
use crate::terraform::{PlanMode, Terraform};

/// What the metadata of a plan calls the names of its secret variables.
const SECRET_NAMES: &str = "secret_variables";
/// And the names of those variables, secret or not, that it does not hold.
const EPHEMERAL_NAMES: &str = "ephemeral_variables";

/// Runs terraform and tofu.
pub(crate) struct TerraformExecutor;

#[async_trait]
impl Executor for TerraformExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: TerraformParams = params_of(job)?;
        params.check()?;
        if let Some(plan) = planned(job, &params)? {
            return Ok(SavedPlan::inputs(plan));
        }
        Ok(source(&params)?.inputs())
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: TerraformParams = job.params()?;
        params.check()?;
        if let Some(plan) = planned(job.job(), &params)? {
            return apply_planned(job, &params, plan).await;
        }
        source(&params)?.unpack(job, job.work_dir(), "/source").await?;
        refuse_no_stack(job.work_dir())?;
        if params.action == Action::Validate {
            return validate(&Terraform::find(job, &Options::from(&params)).await?).await;
        }
        let stack = Stack::open(job, &Options::from(&params), backend(&params)?).await?;
        let variables = params.all_variables();
        Run { job, stack, params, variables }.act().await
    }
}

/// The job whose plan is to be applied.
fn planned<'a>(job: &'a Job, params: &TerraformParams) -> Result<Option<&'a JobId>, ExecutorError> {
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
    let files = files::of_stack(dir).map_err(ExecutorError::io("cannot look into the source"))?;
    let remedy = "the source has no .tf files in its root; pack the right folder, or give `path` for git";
    if files.is_empty() { Err(ExecutorError::invalid("/source", remedy)) } else { Ok(()) }
}

/// One run on sources of its own.
struct Run<'a> {
    job: &'a JobContext,
    stack: Stack<'a>,
    params: TerraformParams,
    variables: Map<String, Value>,
}

impl Run<'_> {
    async fn act(&self) -> Result<Outcome, ExecutorError> {
        match self.params.action {
            Action::Plan => self.plan().await,
            Action::Apply => self.plan_and_apply(self.mode()).await,
            Action::Destroy => self.plan_and_apply(PlanMode::Destroy).await,
            Action::Output => Ok(Outcome::success().with("outputs", self.stack.before().shown())),
            Action::Drift => self.drift().await,
            Action::Validate => unreachable!("a stack is validated without its state"),
        }
    }

    fn mode(&self) -> PlanMode {
        if self.params.destroy { PlanMode::Destroy } else { PlanMode::Normal }
    }

    async fn plan(&self) -> Result<Outcome, ExecutorError> {
        let kept = self.stack.plan_to_keep(self.mode(), &self.variables).await?;
        let metadata = self.stack.keep(&kept).await?;
        let planned = kept.planned;
        self.job.log().system(planned.summary().line());
        let names: Vec<_> = self.params.secret_variables.keys().collect();
        let ephemeral: Vec<_> = planned.ephemeral().keys().collect();
        let outcome = Outcome { metadata }.with(SECRET_NAMES, json!(names)).with(EPHEMERAL_NAMES, json!(ephemeral));
        Ok(outcome.with("configuration_hash", configuration_hash(&self.params)))
    }

    async fn plan_and_apply(&self, mode: PlanMode) -> Result<Outcome, ExecutorError> {
        let planned = self.stack.plan(mode, &self.variables).await?;
        self.job.log().system(planned.summary().line());
        let told = self.stack.apply(&planned).await?;
        with_outputs(told, &self.stack).await
    }

    async fn drift(&self) -> Result<Outcome, ExecutorError> {
        let drift = self.stack.plan(PlanMode::RefreshOnly, &self.variables).await?.drift();
        self.job.log().system(format!("{} resource(s) have drifted", drift.len()));
        Ok(Outcome::success().with("has_drift", !drift.is_empty()).with("drift", json!(drift)))
    }
}

async fn validate(terraform: &Terraform<'_>) -> Result<Outcome, ExecutorError> {
    terraform.init_without_backend().await?;
    let answer = terraform.validate().await?;
    if answer["valid"] == true {
        return Ok(Outcome::success().with("valid", true).with("diagnostics", answer["diagnostics"].clone()));
    }
    let first = answer["diagnostics"].as_array().and_then(|all| all.iter().find(|one| one["severity"] == "error"));
    let text = first.and_then(|one| one["summary"].as_str()).unwrap_or("see the log");
    Err(ExecutorError::invalid("/source", format!("the stack is not valid: {text}")))
}

/// Applies exactly the plan of another job.
async fn apply_planned(job: &JobContext, params: &TerraformParams, plan: &JobId) -> Result<Outcome, ExecutorError> {
    let saved = SavedPlan::read(job, plan, "terraform")?;
    let original = check_plan(params, &saved)?;
    let ephemeral = ephemeral(params, &original, &saved)?;
    let options = Options {
        env: params.environment(),
        parallelism: params.parallelism.or(original.parallelism),
        lock_timeout: params.lock_timeout.clone().or_else(|| original.lock_timeout.clone()),
        ..Options::from(&original)
    };
    let stack = saved.open(job, &options, backend(&original)?).await?;
    check_secrets(params, &saved, &stack).await?;
    let told = stack.apply_saved(&saved, &ephemeral).await?;
    with_outputs(told, &stack).await
}

/// The payload that the plan was made from. What this job's own payload repeats of it must be the same.
fn check_plan(params: &TerraformParams, saved: &SavedPlan) -> Result<TerraformParams, ExecutorError> {
    let plan = &saved.job().id;
    // Its record shows that there were secrets, and not which.
    let mut shown = saved.job().config_snapshot.clone();
    let had = |name: &str| shown.as_object_mut().is_some_and(|fields| fields.remove(name).is_some());
    let [had_secret_env, _] = ["secret_env", "secret_variables"].map(had);
    let original: TerraformParams = params_in(&shown)?;
    if original.action != Action::Plan {
        return Err(ExecutorError::invalid("/plan_job_id", format!("job {plan} made no plan")));
    }
    if had_secret_env && params.secret_env.is_empty() {
        let why = format!("the plan of job {plan} was made with some, which nobody is shown; give them again");
        return Err(ExecutorError::invalid("/secret_env", why));
    }
    if params.action == Action::Destroy && !original.destroy {
        let why =
            format!("the plan of job {plan} does not take everything away; say apply, or plan again with destroy");
        return Err(ExecutorError::invalid("/action", why));
    }
    let made_by = saved.metadata("tool").map_or(&Value::Null, |tool| &tool["engine"]);
    let differs = [
        ("/backend", params.backend.is_some() && params.backend != original.backend),
        ("/source", params.source.is_some() && params.source != original.source),
        ("/engine", params.engine.is_some_and(|engine| json!(engine) != *made_by)),
        ("/version", params.version.is_some() && params.version != original.version),
        ("/variables", !params.variables.is_empty() && params.variables != original.variables),
        ("/targets", !params.targets.is_empty() && params.targets != original.targets),
        ("/destroy", params.destroy && !original.destroy),
    ];
    if let Some((pointer, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        return Err(changed(pointer, saved));
    }
    Ok(original)
}

fn changed(pointer: &str, saved: &SavedPlan) -> ExecutorError {
    let plan = &saved.job().id;
    let why = format!("this has changed since the plan of job {plan}; leave it out, or plan again");
    ExecutorError::invalid(pointer, why)
}

fn names_in<'a>(saved: &'a SavedPlan, name: &str) -> Vec<&'a str> {
    let names = saved.metadata(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).collect()
}

/// The variables that the plan does not hold. The secret ones are given again: nobody is shown them.
fn ephemeral(
    params: &TerraformParams,
    original: &TerraformParams,
    saved: &SavedPlan,
) -> Result<Map<String, Value>, ExecutorError> {
    let secret = names_in(saved, SECRET_NAMES);
    let value = |name: &str| {
        let given = if secret.contains(&name) { &params.secret_variables } else { &original.variables };
        let id = &saved.job().id;
        let why = || format!("the plan of job {id} does not hold {name}, which is ephemeral; give it again");
        let value = given.get(name).ok_or_else(|| ExecutorError::invalid("/secret_variables", why()))?;
        Ok((name.to_owned(), value.clone()))
    };
    names_in(saved, EPHEMERAL_NAMES).into_iter().map(value).collect()
}

/// Hides the secret variables that the plan holds, and refuses others: the plan would not heed them.
async fn check_secrets(params: &TerraformParams, saved: &SavedPlan, stack: &Stack<'_>) -> Result<(), ExecutorError> {
    let (names, ephemeral) = (names_in(saved, SECRET_NAMES), names_in(saved, EPHEMERAL_NAMES));
    let held: Vec<_> = names.iter().copied().filter(|name| !ephemeral.contains(name)).collect();
    let planned = if held.is_empty() { Map::new() } else { stack.hide_variables(saved.file(), &held).await? };
    // The plan does not hold what is ephemeral, or what the stack has no variable for.
    let is_as_planned = |(name, value): (&String, &Value)| {
        planned.get(name).map_or(names.contains(&name.as_str()), |planned| planned == value)
    };
    if params.secret_variables.iter().all(is_as_planned) { Ok(()) } else { Err(changed("/secret_variables", saved)) }
}

async fn with_outputs(told: Map<String, Value>, stack: &Stack<'_>) -> Result<Outcome, ExecutorError> {
    Ok(Outcome { metadata: told }.with("outputs", stack.outputs().await?.shown()))
}

/// What a plan was made of: source, variables, backend and targets.
fn configuration_hash(params: &TerraformParams) -> String {
    let parts = json!([params.source, params.variables, params.backend, params.targets, params.destroy]);
    hex::encode(Sha256::digest(parts.to_string()))
}
