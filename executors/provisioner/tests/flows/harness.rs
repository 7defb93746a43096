//! An environment for tests: a template, a place for states, and jobs.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{Executor, ExecutorError, Input, Job, JobStatus, Outcome};
use executor_provisioner::{Bootstrap, Deploy, Destroy, Plan, Setup, Templates};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the log, metadata and readable artifacts must never show.
pub(crate) const SECRET: &str = "hunter2-hunter2";

/// The names are those of the template for AWS.
const TEMPLATE: &str = r#"
variable "project_name" { type = string }
variable "vpc_cidr" { type = string }
resource "terraform_data" "network" { input = var.vpc_cidr }
resource "terraform_data" "secret" { input = sensitive("hunter2-hunter2") }
output "vpc_id" { value = terraform_data.network.output }
output "eks_cluster_name" { value = "eks-${var.project_name}" }
output "eks_cluster_endpoint" { value = "https://127.0.0.1:1" }
output "custom_secret_values" {
  value     = { password = terraform_data.secret.output }
  sensitive = true
}
"#;

/// One environment and all that belongs to it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("template")).unwrap();
        place.template(TEMPLATE);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn template(&self, text: &str) {
        std::fs::write(self.path("template").join("main.tf"), text).unwrap();
    }

    /// The file that holds the environment's state.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("states").join("environment_default_shop-staging-eu-north-1.tfstate")
    }

    /// Holds the lock of the state as somebody else, until the file is dropped.
    pub(crate) fn lock(&self) -> File {
        // As terraform itself does it: a lock of the file, and beside it who holds it.
        let state = File::options().read(true).write(true).open(self.state()).unwrap();
        fcntl_lock(&state, FlockOperation::NonBlockingLockExclusive).unwrap();
        let info = json!({ "ID": "6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10", "Operation": "OperationTypeApply", "Info": "",
                       "Who": "deploy@build-7", "Version": "1.11.4", "Created": "2020-01-01T00:00:00Z",
                       "Path": self.state() });
        let name = self.state().file_name().unwrap().to_str().unwrap().to_owned();
        std::fs::write(self.state().with_file_name(format!(".{name}.lock.info")), info.to_string()).unwrap();
        state
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup { templates: Templates::Folder(self.path("template")), lock_timeout: "1s" }
    }

    pub(crate) fn builder(&self, kind: &str, payload: &Value) -> TestJobBuilder {
        let states = self.path("states");
        TestJob::builder(kind, payload).settings(|settings| settings.local_states = Some(states))
    }

    pub(crate) fn job(&self, kind: &str, payload: &Value) -> TestJob {
        self.builder(kind, payload).build().unwrap()
    }

    pub(crate) async fn run(&self, job: &TestJob) -> Result<Outcome, ExecutorError> {
        let setup = self.setup();
        match job.context.job().job_type.as_str() {
            "PLAN" => Plan(setup).execute(&job.context).await,
            "DEPLOY" => Deploy(setup).execute(&job.context).await,
            "DESTROY" => Destroy(setup).execute(&job.context).await,
            "BOOTSTRAP" => Bootstrap(setup).execute(&job.context).await,
            other => panic!("no test runs {other}"),
        }
    }

    /// Runs a job that must succeed.
    pub(crate) async fn done(&self, job: &TestJob) -> Outcome {
        self.run(job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()))
    }

    /// Runs a job that must fail, and says how.
    pub(crate) async fn refused(&self, job: &TestJob) -> String {
        match self.run(job).await {
            Ok(outcome) => panic!("it succeeded: {outcome:?}\n{}", job.log()),
            Err(error) => error.to_string(),
        }
    }

    pub(crate) async fn plan(&self, payload: &Value) -> Reviewed {
        let job = self.job("PLAN", payload);
        let outcome = self.done(&job).await;
        Reviewed::of(job, outcome)
    }
}

/// A snapshot of the environment, with some fields of it set otherwise.
pub(crate) fn payload(more: &Value) -> Value {
    let mut payload = json!({ "project_name": "shop", "environment_stage": "staging", "region": "eu-north-1",
                              "provider": "aws", "network": { "cidr_block": "10.1.0.0/16" },
                              "argocd": { "enabled": false } });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

/// A job that made a plan, and what the control plane knows of it.
pub(crate) struct Reviewed {
    pub(crate) job: TestJob,
    pub(crate) record: Job,
}

impl Reviewed {
    pub(crate) fn of(job: TestJob, outcome: Outcome) -> Self {
        let mut record = job.context.job().clone();
        record.status = JobStatus::Success;
        let mut metadata = job.progress();
        metadata.extend(outcome.metadata);
        record.execution_metadata = Some(Value::Object(metadata));
        Self { job, record }
    }

    pub(crate) fn metadata(&self) -> &Value {
        self.record.execution_metadata.as_ref().unwrap()
    }

    pub(crate) fn artifact(&self, name: &str) -> Vec<u8> {
        self.job.artifact(name).unwrap_or_else(|| panic!("there is no artifact {name}"))
    }

    pub(crate) fn input(&self, name: &str) -> Input {
        Input::Artifact { job_id: self.record.id.clone(), name: name.to_owned() }
    }

    /// The record as it is, but for a change.
    pub(crate) fn record_with(&self, change: impl FnOnce(&mut Job)) -> (Input, Vec<u8>) {
        let mut record = self.record.clone();
        change(&mut record);
        (Input::JobRecord(record.id.clone()), serde_json::to_vec(&record).unwrap())
    }

    /// The DEPLOY that applies it.
    pub(crate) fn deploy(&self, place: &Place, payload: &Value) -> TestJobBuilder {
        let (record, bytes) = self.record_with(|_| {});
        let id = self.record.id.clone();
        place
            .builder("DEPLOY", payload)
            .input(record, bytes)
            .input(self.input("terraform.plan.out"), self.artifact("terraform.plan.out"))
            .input(self.input("workspace.tar.gz"), self.artifact("workspace.tar.gz"))
            .job(|job| job.plan_job_id = Some(id))
    }
}

/// A script that plays a tool.
pub(crate) fn script(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A job with stand-ins for helm and kubectl: helm says its version, and nothing else is asked of either.
pub(crate) fn with_tools(place: &Place, job: TestJobBuilder) -> TestJobBuilder {
    let tools = ["helm", "kubectl"].map(|tool| (tool.to_owned(), place.path("tools").join(tool)));
    for (_, file) in &tools {
        script(file, "[ \"$1\" = version ] && echo v3.18.0");
    }
    job.settings(|settings| settings.tools.extend(tools))
}

/// All that people can see of a job.
pub(crate) fn seen(job: &TestJob, outcome: Option<&Outcome>) -> String {
    let artifacts = ["plan.json", "plan.txt", "infracost.json"].into_iter().filter_map(|name| job.artifact(name));
    let artifacts: Vec<_> = artifacts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    format!("{}\n{:?}\n{outcome:?}\n{}", job.log(), job.progress(), artifacts.join("\n"))
}
