//! A plan that another job made. It is a promise: the same job, the same bytes, the same program, or nothing is applied.

use std::fs::File;
use std::path::{Path, PathBuf};

use executor_api::{ExecutorError, Input, Job, JobContext, JobId, JobStatus};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use zip::ZipArchive;

use crate::backend::Backend;
use crate::diagnostics::STALE;
use crate::files::digest;
use crate::options::Options;
use crate::params::Engine;
use crate::stack::Stack;
use crate::terraform::Terraform;

/// The seed's name of a plan artifact.
pub(crate) const PLAN: &str = "terraform.plan.out";
/// The working directory that the plan was made in, with its lock file: an apply needs the same.
pub(crate) const WORKSPACE: &str = "workspace.tar.gz";

/// A plan of another job, as that job said it is.
pub struct SavedPlan {
    job: Job,
    file: PathBuf,
    workspace: PathBuf,
}

/// What made a plan, as [`Stack::keep`] says it.
#[derive(Deserialize)]
struct MadeBy {
    engine: Engine,
    version: Option<Version>,
}

/// Which state a plan was made from: what terraform compares before it applies one.
#[derive(Default, Deserialize, PartialEq, Eq)]
struct StateVersion {
    serial: u64,
    lineage: String,
}

impl SavedPlan {
    /// What has to be fetched to apply the plan of a job.
    #[must_use]
    pub fn inputs(plan: &JobId) -> Vec<Input> {
        let artifact = |name: &str| Input::Artifact { job_id: plan.clone(), name: name.to_owned() };
        vec![Input::JobRecord(plan.clone()), artifact(PLAN), artifact(WORKSPACE)]
    }

    /// Reads the plan of a job of `kind` that succeeded.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/plan_job_id` if it is of another kind, did not succeed, or if a byte of it is
    /// not what that job made.
    pub fn read(job: &JobContext, plan: &JobId, kind: &str) -> Result<Self, ExecutorError> {
        let artifact = |name: &str| job.input(&Input::Artifact { job_id: plan.clone(), name: name.to_owned() });
        let record = job.input(&Input::JobRecord(plan.clone()))?;
        let saved = Self { job: read_record(&record)?, file: artifact(PLAN)?, workspace: artifact(WORKSPACE)? };
        saved.check(kind)?;
        Ok(saved)
    }

    fn check(&self, kind: &str) -> Result<(), ExecutorError> {
        let Job { id, status, job_type, .. } = &self.job;
        if *status != JobStatus::Success {
            return refuse(format!("job {id} is {status}; only the plan of a job that succeeded can be applied"));
        }
        if job_type != kind {
            return refuse(format!("job {id} is no {kind} job"));
        }
        let kept = [("plan", &self.file, "plan_sha256"), ("workspace", &self.workspace, "workspace_sha256")];
        for (what, file, name) in kept {
            if self.metadata(name).and_then(Value::as_str) != Some(&digest(file)?) {
                let why = "is not the one that was reviewed: its SHA-256 differs; plan again";
                return refuse(format!("the {what} of job {id} {why}"));
            }
        }
        Ok(())
    }

    /// The job that made it.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What that job said about it.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&Value> {
        self.job.execution_metadata.as_ref()?.get(name)
    }

    /// The plan itself. It holds secrets.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Makes its working directory ready, with the program that made it. Of `options`, program and version do not
    /// count: they are the plan's.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/plan_job_id` if the runner has only another version of the program, with
    /// both versions, or if the state has changed since; else as [`Stack::open`].
    pub async fn open<'a>(
        &self,
        job: &'a JobContext,
        options: &Options,
        backend: &Backend,
    ) -> Result<Stack<'a>, ExecutorError> {
        let made_by = self.metadata("tool").and_then(|tool| MadeBy::deserialize(tool).ok());
        let Some(MadeBy { engine, version: Some(version) }) = made_by else {
            return refuse(format!("job {} does not say which program made its plan; plan again", self.job.id));
        };
        let ready = async {
            let terraform = Terraform::of_plan(job, options, engine, &version).await?;
            job_source::unpack(&self.workspace, job.work_dir(), "/plan_job_id").await?;
            Ok(terraform)
        };
        let stack = Stack::open_with(job, ready, backend).await?;
        self.check_state(&stack).await?;
        job.log().system(format!("this is exactly the plan of job {}", self.job.id));
        Ok(stack)
    }

    /// Terraform would refuse it too, but only when the apply begins: after all that goes before that.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/plan_job_id` if the state has changed since it was made.
    pub async fn check_state(&self, stack: &Stack<'_>) -> Result<(), ExecutorError> {
        let Some(planned) = StateVersion::of_plan(&self.file)? else { return Ok(()) };
        let now = StateVersion::of_state(&stack.state().await?)?;
        // The plan of a stack that was never applied has no lineage to compare.
        let is_first = planned == StateVersion::default();
        if planned.serial == now.serial && (is_first || planned.lineage == now.lineage) {
            return Ok(());
        }
        refuse(STALE.to_owned())
    }
}

impl StateVersion {
    /// A plan is an archive with the state that it was made from. None if tofu has encrypted it: then it alone can tell.
    fn of_plan(file: &Path) -> Result<Option<Self>, ExecutorError> {
        let file = File::open(file).map_err(ExecutorError::io("cannot read the plan"))?;
        let Ok(mut plan) = ZipArchive::new(file) else { return Ok(None) };
        let unread = |error: String| ExecutorError::Other(format!("the state in the plan cannot be read: {error}"));
        let state = plan.by_name("tfstate").map_err(|error| unread(error.to_string()))?;
        serde_json::from_reader(state).map(Some).map_err(|error| unread(error.to_string()))
    }

    /// A state that is not there has no bytes.
    fn of_state(bytes: &[u8]) -> Result<Self, ExecutorError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let unread = |error| ExecutorError::Other(format!("the state cannot be read: {error}"));
        serde_json::from_slice(bytes).map_err(unread)
    }
}

fn refuse<T>(why: String) -> Result<T, ExecutorError> {
    Err(ExecutorError::invalid("/plan_job_id", why))
}

fn read_record(file: &Path) -> Result<Job, ExecutorError> {
    let bytes = std::fs::read(file).map_err(ExecutorError::io("cannot read the record of the plan's job"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ExecutorError::Other(format!("the record of the plan's job cannot be read: {error}")))
}
