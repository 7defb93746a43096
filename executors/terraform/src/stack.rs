//! A stack that is ready to be planned and applied: sources in the working directory, a backend, and providers.

use std::path::{Path, PathBuf};

use executor_api::{ArtifactBody, ExecutorError, JobContext, texts};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::{join, try_join};

use crate::backend::Backend;
use crate::files::digest;
use crate::kept;
use crate::options::Options;
use crate::outputs::Outputs;
use crate::plan::PlanDocument;
use crate::saved_plan::{PLAN, SavedPlan, WORKSPACE};
use crate::summary::{PlanSummary, ResourceChange};
use crate::terraform::{PlanMode, Terraform};

/// A stack that is ready: its sources are in the job's working directory, and `init` has been run there.
pub struct Stack<'a> {
    job: &'a JobContext,
    terraform: Terraform<'a>,
    backend: Backend,
    before: Outputs,
}

/// A plan that was made, and what it says.
pub struct Planned {
    file: PathBuf,
    document: PlanDocument,
    redacted: Value,
    ephemeral: Map<String, Value>,
}

/// A plan that another job may apply: what it needs for that is kept.
pub struct KeptPlan {
    /// The plan.
    pub planned: Planned,
    plan_sha256: String,
    workspace_sha256: String,
}

impl<'a> Stack<'a> {
    /// Makes the sources in the job's working directory ready.
    ///
    /// # Errors
    /// If there is no program, the backend cannot be used here, or `init` fails.
    pub async fn open(job: &'a JobContext, options: &Options, backend: &Backend) -> Result<Self, ExecutorError> {
        Self::open_with(job, Terraform::find(job, options), backend).await
    }

    pub(crate) async fn open_with(
        job: &'a JobContext,
        terraform: impl Future<Output = Result<Terraform<'a>, ExecutorError>>,
        backend: &Backend,
    ) -> Result<Self, ExecutorError> {
        backend.check()?;
        // The bucket is asked for while the program says its version: neither changes anything.
        let (mut terraform, missing) = try_join!(terraform, backend.missing(job))?;
        terraform.use_backend(backend.prepare(job, job.work_dir())?);
        if let Some(bucket) = missing {
            bucket.make().await?;
        }
        let (ready, may_have_state) = join!(terraform.init(), backend.may_have_state(job));
        ready?;
        backend.check_taken(job.work_dir())?;
        // What is printed from here on has values from the state, where terraform has forgotten which are sensitive:
        // reading the outputs hides those that the stack calls so.
        let before = if may_have_state { terraform.outputs().await? } else { Outputs::default() };
        Ok(Self { job, terraform, backend: backend.clone(), before })
    }

    /// The outputs as they were when the stack was opened: none if there was no state.
    #[must_use]
    pub fn before(&self) -> &Outputs {
        &self.before
    }

    /// Plans, and reads what the plan says.
    ///
    /// # Errors
    /// If the program fails, or its plan cannot be read.
    pub async fn plan(&self, mode: PlanMode, variables: &Map<String, Value>) -> Result<Planned, ExecutorError> {
        let (file, text) = self.make_plan(mode, variables).await?;
        self.look_at(file, &text, variables).await
    }

    /// Like [`Stack::plan`], for a plan that [`Stack::keep`] keeps: the large part of that is done while the plan is
    /// read.
    ///
    /// # Errors
    /// If the program fails, its plan cannot be read, or something cannot be written down.
    pub async fn plan_to_keep(
        &self,
        mode: PlanMode,
        variables: &Map<String, Value>,
    ) -> Result<KeptPlan, ExecutorError> {
        let (file, text) = self.make_plan(mode, variables).await?;
        let files = self.keep_files(&file);
        let (planned, files) = join!(self.look_at(file.clone(), &text, variables), files);
        let (plan_sha256, workspace_sha256) = files?;
        Ok(KeptPlan { planned: planned?, plan_sha256, workspace_sha256 })
    }

    /// The plan, and what the program printed.
    async fn make_plan(
        &self,
        mode: PlanMode,
        variables: &Map<String, Value>,
    ) -> Result<(PathBuf, Vec<u8>), ExecutorError> {
        let file = self.job.paths().temp.join("plan");
        let text = self.terraform.plan(mode, variables, &file).await?;
        Ok((file, text))
    }

    /// Reads what a plan says, and keeps what the program printed of it.
    async fn look_at(
        &self,
        file: PathBuf,
        text: &[u8],
        variables: &Map<String, Value>,
    ) -> Result<Planned, ExecutorError> {
        let (planned, text) = join!(self.read_with(file, variables), kept::plan_text(self.job, text));
        text?;
        planned
    }

    /// Reads what a plan says that was made without ephemeral variables.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn read(&self, file: PathBuf) -> Result<Planned, ExecutorError> {
        self.read_with(file, &Map::new()).await
    }

    async fn read_with(&self, file: PathBuf, variables: &Map<String, Value>) -> Result<Planned, ExecutorError> {
        let document = self.terraform.show(&file).await?;
        let redacted = self.job.masked_value(document.redacted());
        let ephemeral = document.ephemeral(variables);
        Ok(Planned { file, document, redacted, ephemeral })
    }

    /// Keeps what people may read of a plan, too. Returns the metadata that lets [`crate::SavedPlan`] tell it from
    /// every other.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub async fn keep(&self, kept: &KeptPlan) -> Result<Map<String, Value>, ExecutorError> {
        let KeptPlan { planned, plan_sha256, workspace_sha256 } = kept;
        let shown = ArtifactBody::Bytes(planned.redacted().to_string().into_bytes());
        kept::artifact(self.job, "plan.json", "application/json", shown).await?;
        let summary = planned.summary();
        let metadata = json!({
            "plan_completed": true,
            "plan_file_key": format!("{}/{PLAN}", self.job.job().id),
            "plan_sha256": plan_sha256,
            "workspace_sha256": workspace_sha256,
            "plan_result": planned.document.result(),
            "has_changes": summary.has_changes,
            "plan_summary": summary,
            "tool": self.terraform.tool(&planned.document),
            "backend": self.backend.fingerprint(),
        });
        Ok(metadata.as_object().cloned().unwrap_or_default())
    }

    /// The plan, and the working directory with its lock file; the SHA-256 of each.
    async fn keep_files(&self, plan: &Path) -> Result<(String, String), ExecutorError> {
        let plan_sha256 = digest(plan)?;
        kept::artifact(self.job, PLAN, "application/octet-stream", ArtifactBody::File(plan.to_owned())).await?;
        let dir = self.job.work_dir().to_owned();
        let packed = tokio::task::spawn_blocking(move || job_source::pack(&dir)).await;
        let packed = packed.map_err(|error| ExecutorError::Other(error.to_string()))?;
        let workspace = packed.map_err(|error| ExecutorError::Other(error.to_string()))?;
        let workspace_sha256 = hex::encode(Sha256::digest(&workspace));
        kept::artifact(self.job, WORKSPACE, "application/gzip", ArtifactBody::Bytes(workspace)).await?;
        Ok((plan_sha256, workspace_sha256))
    }

    /// Passes the commit point, and applies exactly this plan. Publishes that, as [`Self::applied`] does.
    ///
    /// # Errors
    /// If the commit point is refused, or the apply fails; a state that could not be saved is kept as an artifact.
    pub async fn apply(&self, planned: &Planned) -> Result<Map<String, Value>, ExecutorError> {
        self.change_world(&planned.file, &planned.ephemeral).await?;
        self.applied(planned).await
    }

    /// Publishes that it is as this plan says: true whatever becomes of the job. Returns that metadata.
    ///
    /// # Errors
    /// If it could not be written down.
    pub async fn applied(&self, planned: &Planned) -> Result<Map<String, Value>, ExecutorError> {
        self.tell_applied(json!(planned.summary())).await
    }

    /// The same with a plan of another job, and the values of its ephemeral variables.
    pub(crate) async fn apply_saved(
        &self,
        plan: &SavedPlan,
        ephemeral: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ExecutorError> {
        self.change_world(plan.file(), ephemeral).await?;
        self.tell_applied(plan.metadata("plan_summary").cloned().unwrap_or_default()).await
    }

    /// Not without the commit point: from there on this job is never run again.
    async fn change_world(&self, plan: &Path, ephemeral: &Map<String, Value>) -> Result<(), ExecutorError> {
        self.job.commit_point().await?;
        self.terraform.apply(plan, ephemeral).await
    }

    async fn tell_applied(&self, summary: Value) -> Result<Map<String, Value>, ExecutorError> {
        let told = [("apply_completed".to_owned(), json!(true)), ("plan_summary".to_owned(), summary)];
        let told = Map::from_iter(told);
        self.job.progress(told.clone()).await?;
        Ok(told)
    }

    /// The outputs as they are now; sensitive values are hidden in the log from now on.
    ///
    /// # Errors
    /// If the program fails or prints something else.
    pub async fn outputs(&self) -> Result<Outputs, ExecutorError> {
        self.terraform.outputs().await
    }

    /// Hides these input variables of a plan in the log from now on, and returns their values.
    pub(crate) async fn hide_variables(
        &self,
        plan: &Path,
        names: &[&str],
    ) -> Result<Map<String, Value>, ExecutorError> {
        let values = self.terraform.show(plan).await?.variables(names);
        values.values().flat_map(texts).for_each(|secret| self.job.mask(&secret));
        Ok(values)
    }

    /// The state itself; no bytes if there is none. It holds secrets.
    pub(crate) async fn state(&self) -> Result<Vec<u8>, ExecutorError> {
        self.terraform.state().await
    }

    /// How many resources the state holds.
    ///
    /// # Errors
    /// If the program fails or prints something else.
    pub async fn resources(&self) -> Result<usize, ExecutorError> {
        self.terraform.resources().await
    }
}

impl Planned {
    /// The plan itself. It holds secrets.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The input variables that it does not hold, because they are ephemeral.
    pub(crate) fn ephemeral(&self) -> &Map<String, Value> {
        &self.ephemeral
    }

    /// What it would do, in numbers and by resource.
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        self.document.summary()
    }

    /// The plan with its values, without those that it calls sensitive, and without the secrets that the job knew when
    /// the plan was read.
    #[must_use]
    pub fn redacted(&self) -> &Value {
        &self.redacted
    }

    /// What has changed in the world since the last apply.
    #[must_use]
    pub fn drift(&self) -> Vec<ResourceChange> {
        self.document.drift()
    }
}
