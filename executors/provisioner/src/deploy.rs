//! DEPLOY: exactly a plan of before, or what a plan made now says; then Argo CD and the applications.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, JobId, Outcome};
use executor_terraform::{PlanMode, Planned, SavedPlan, Stack};
use serde_json::{Map, Value, json};

use crate::after_apply;
use crate::cost::Cost;
use crate::deploy_plan::check;
use crate::going::Going;
use crate::plan;
use crate::snapshot::{Snapshot, Software};
use crate::stack::{self, Setup};
use crate::steps::Steps;
use crate::tfvars::tfvars;

/// The kind `DEPLOY`.
pub struct Deploy(pub Setup);

/// What a person does about a DEPLOY that did not come to its end.
const AGAIN: &str = "what was done stays done; DEPLOY again goes on from there";
/// The same where it had a plan: that is used up.
const PLAN_AGAIN: &str =
    "what was done stays done; its plan is used, so PLAN again, or DEPLOY without one, goes on from there";

#[async_trait]
impl Executor for Deploy {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        Ok(job.plan_job_id.iter().flat_map(SavedPlan::inputs).chain(inputs(job)).collect())
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let mut steps = Steps::new(job);
        let ended = self.deploy(job, &mut steps).await;
        steps.finish(ended).await
    }
}

impl Deploy {
    async fn deploy(&self, job: &JobContext, steps: &mut Steps<'_>) -> Result<Outcome, ExecutorError> {
        let snapshot = stack::wanted(job)?;
        look(job, steps, &snapshot).await?;
        let ready = match &job.job().plan_job_id {
            Some(plan) => self.reviewed(job, steps, &snapshot, plan).await?,
            None => {
                let made = plan::make(&self.0, job, steps, &snapshot).await?;
                made.cost.check(snapshot.cost_ceiling_monthly)?;
                Ready { stack: made.stack, planned: made.planned, told: made.cost.told }
            }
        };
        ready.bring_about(job, steps, &snapshot).await
    }

    /// Exactly the plan that was reviewed.
    async fn reviewed<'a>(
        &self,
        job: &'a JobContext,
        steps: &mut Steps<'_>,
        snapshot: &Snapshot,
        plan: &JobId,
    ) -> Result<Ready<'a>, ExecutorError> {
        let backend = stack::backend(job, snapshot)?;
        let work = async {
            let saved = SavedPlan::read(job, plan, "PLAN")?;
            check(job, &saved, snapshot, &backend)?;
            Ok(saved)
        };
        let saved = steps.take("check_plan", "Check the plan", work).await?;
        let options = self.0.options(snapshot);
        let work = saved.open(job, &options, &backend);
        let stack = steps.take("terraform_init", "Prepare terraform", work).await?;
        let planned = stack.read(saved.file().to_owned()).await?;
        job.log().system(planned.summary().line());
        if snapshot.cost_ceiling_monthly.is_some() {
            let cost = match Cost::of_plan(&saved) {
                Some(cost) => cost,
                None => plan::estimate(job, steps, &planned).await?,
            };
            cost.check(snapshot.cost_ceiling_monthly)?;
        }
        if snapshot.argocd.enabled && Going::with(&planned.summary(), snapshot).is_some() {
            // Who holds the lock would keep terraform from the apply when all else is gone already.
            let variables = tfvars(snapshot);
            let work = async {
                stack.plan(PlanMode::Normal, &variables).await?;
                saved.check_state(&stack).await
            };
            steps.take("check_lock", "See that nobody else holds the state", work).await?;
        }
        Ok(Ready { stack, planned, told: Map::new() })
    }
}

/// What is needed before anything is changed.
pub(crate) async fn look(job: &JobContext, steps: &mut Steps<'_>, snapshot: &Snapshot) -> Result<(), ExecutorError> {
    let tools = stack::tools_in_cluster(snapshot);
    let work = async {
        stack::preflight(job, &tools)?;
        if tools.is_empty() { Ok(()) } else { stack::check_deadline(job, snapshot) }
    };
    steps.take("preflight", "Look for the tools", work).await
}

/// A plan that may be applied.
pub(crate) struct Ready<'a> {
    pub(crate) stack: Stack<'a>,
    pub(crate) planned: Planned,
    /// What the job says of it.
    pub(crate) told: Map<String, Value>,
}

impl Ready<'_> {
    /// Applies it, and does all that comes after.
    pub(crate) async fn bring_about(
        self,
        job: &JobContext,
        steps: &mut Steps<'_>,
        snapshot: &Snapshot,
    ) -> Result<Outcome, ExecutorError> {
        let going = Going::with(&self.planned.summary(), snapshot);
        if going.is_some() && snapshot.argocd.enabled {
            // The snapshot alone may need none.
            stack::preflight(job, &["kubectl"])?;
            stack::check_deadline(job, snapshot)?;
        }
        stack::check_helm(job, snapshot).await?;
        // Not only the apply changes the world: something may take leave before it, and something comes after.
        job.commit_point().await?;
        let again = if job.job().plan_job_id.is_some() { PLAN_AGAIN } else { AGAIN };
        let applied = async {
            let left = self.take_leave(job, steps, snapshot, going).await?;
            let (outputs, mut told) = self.apply(job, steps).await?;
            told.extend(left);
            Ok((outputs, told))
        };
        let applied = applied.await;
        let (outputs, mut told) = applied.map_err(|error| steps.explain(error, again))?;
        told.extend(self.told);
        told.insert("configuration_hash".to_owned(), json!(snapshot.configuration_hash()));
        job.progress(told.clone()).await?;
        let after = after_apply::run(job, steps, snapshot, &outputs).await;
        told.extend(after.map_err(|error| steps.explain(error, again))?);
        Ok(Outcome { metadata: told })
    }

    /// What terraform knows nothing of goes while those who can unmake it are still there.
    async fn take_leave(
        &self,
        job: &JobContext,
        steps: &mut Steps<'_>,
        snapshot: &Snapshot,
        going: Option<Going>,
    ) -> Result<Map<String, Value>, ExecutorError> {
        let Some(going) = going else { return Ok(Map::new()) };
        let before = &self.stack.before().plain;
        match going {
            Going::Cluster => after_apply::leave(job, steps, snapshot, before).await,
            Going::KarpentersRole => after_apply::end_machines(job, steps, snapshot, before).await.map(|()| Map::new()),
        }
    }

    async fn apply(
        &self,
        job: &JobContext,
        steps: &mut Steps<'_>,
    ) -> Result<(Map<String, Value>, Map<String, Value>), ExecutorError> {
        let mut told = if self.planned.summary().has_changes {
            let work = self.stack.apply(&self.planned);
            steps.take("terraform_apply", "Run terraform apply", work).await?
        } else {
            job.log().system("the infrastructure is as it is wanted: nothing is applied");
            self.stack.applied(&self.planned).await?
        };
        let outputs = steps.take("outputs", "Read the outputs", self.stack.outputs()).await?;
        if !outputs.sensitive.is_empty() {
            job.secret_artifact("outputs", &Value::Object(outputs.sensitive.clone()).to_string()).await?;
        }
        let of_cluster = ["name", "endpoint"]
            .into_iter()
            .filter_map(|what| Some((format!("cluster_{what}"), stack::of_cluster(&outputs.plain, what)?.clone())));
        told.extend(of_cluster);
        told.insert("outputs".to_owned(), Value::Object(outputs.shown()));
        Ok((outputs.plain, told))
    }
}

/// What is fetched for what comes after the apply. Who the job is nobody knows yet; a payload that is wrong is refused
/// when it runs.
pub(crate) fn inputs(job: &Job) -> Vec<Input> {
    Software::read(&job.config_snapshot).map(|wanted| after_apply::inputs(&wanted)).unwrap_or_default()
}
