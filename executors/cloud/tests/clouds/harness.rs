//! A job under an identity, in this process, with the runner's own cloud variables as given.

use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{CloudIdentity, CloudSettings, ExecutorError, ExecutorRegistry, JobContext, Outcome, RunAs, run_as};
use executor_cloud as _;
use serde_json::Value;

/// Who the runner is, and what its operator set.
#[derive(Clone, Default)]
pub(crate) struct Runner {
    pub(crate) ambient: Vec<(String, String)>,
    pub(crate) settings: CloudSettings,
}

impl Runner {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.ambient.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn endpoint(mut self, name: &str, url: &str) -> Self {
        self.settings.endpoints.insert(name.to_owned(), url.to_owned());
        self
    }

    /// It works for organisations that do not trust each other.
    pub(crate) fn works_for_all(mut self) -> Self {
        self.settings.is_shared = true;
        self
    }

    /// Jobs may be the runner.
    pub(crate) fn lends_itself(mut self) -> Self {
        self.settings.ambient_identity = true;
        self
    }

    pub(crate) fn job(&self, kind: &str, payload: &Value) -> TestJobBuilder {
        let cloud = self.settings.clone();
        TestJob::builder(kind, payload).settings(|settings| settings.cloud = cloud)
    }

    pub(crate) fn who(&self, identity: Option<CloudIdentity>) -> RunAs {
        RunAs { identity, ambient: self.ambient.clone().into_iter().collect(), program: verbs() }
    }

    /// Runs one of our kinds to its end.
    pub(crate) async fn run(&self, kind: &str, payload: &Value, identity: Option<CloudIdentity>) -> Ended {
        let job = self.job(kind, payload).build().unwrap();
        let result = self.run_job(&job, identity).await;
        Ended { job, result }
    }

    pub(crate) async fn run_job(
        &self,
        job: &TestJob,
        identity: Option<CloudIdentity>,
    ) -> Result<Outcome, ExecutorError> {
        let registry = ExecutorRegistry::from_linked().unwrap();
        let executor = registry.get(&job.context.job().job_type).unwrap().executor();
        run_as(&job.context, self.who(identity), executor.execute(&job.context)).await
    }

    /// Runs anything under an identity.
    pub(crate) async fn run_under<T>(
        &self,
        job: &TestJob,
        identity: CloudIdentity,
        work: impl AsyncFnOnce(&JobContext) -> Result<T, ExecutorError>,
    ) -> Result<T, ExecutorError> {
        run_as(&job.context, self.who(Some(identity)), work(&job.context)).await
    }
}

/// How a job ended.
pub(crate) struct Ended {
    pub(crate) job: TestJob,
    pub(crate) result: Result<Outcome, ExecutorError>,
}

impl Ended {
    #[track_caller]
    pub(crate) fn metadata(&self) -> Value {
        match &self.result {
            Ok(outcome) => Value::Object(outcome.metadata.clone()),
            Err(error) => panic!("{error}\n{}", self.job.log()),
        }
    }

    #[track_caller]
    pub(crate) fn error(&self) -> String {
        match &self.result {
            Ok(outcome) => panic!("it succeeded: {outcome:?}"),
            Err(error) => error.to_string(),
        }
    }
}

/// A runner, for its hidden verbs: cargo builds examples before it runs tests.
pub(crate) fn verbs() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    here.parent().unwrap().parent().unwrap().join("examples/runner")
}

/// An identity at AWS.
pub(crate) fn role(arn: &str, external_id: &str) -> CloudIdentity {
    CloudIdentity {
        provider: "aws".to_owned(),
        role_arn: arn.to_owned(),
        external_id: external_id.to_owned(),
        ..CloudIdentity::default()
    }
}
