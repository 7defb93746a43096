//! The cluster that `cargo xtask cluster` gives a test, or a visible skip; a namespace of its own for each test.

use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder, kubeconfig, tool};
use executor_api::{ExecutorError, ExecutorRegistry, Finished, JobId, Outcome};
use executor_helm as _;
use serde_json::{Value, json};

use crate::charts::merged;

/// A namespace of the test cluster. It goes when the test ends, however it ends.
#[derive(Clone)]
pub(crate) struct Namespace {
    pub(crate) name: String,
    kubeconfig: PathBuf,
}

/// Runs a test in a namespace, unless there is no cluster or no helm.
pub(crate) async fn in_namespace<T: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Namespace) -> T) {
    let (Some(kubeconfig), Some(_)) = (kubeconfig(), tool("helm")) else { return };
    let namespace = Namespace { name: format!("helm-{}", JobId::generate()), kubeconfig };
    namespace.kubectl(&["create", "namespace", &namespace.name]).await;
    let ended = tokio::spawn(test(namespace.clone())).await;
    namespace.kubectl(&["delete", "namespace", &namespace.name, "--wait=false"]).await;
    if let Err(panicked) = ended {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

impl Namespace {
    /// A payload on the cluster, in this namespace.
    pub(crate) fn payload(&self, action: &str, more: Value) -> Value {
        let kubeconfig = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let payload = json!({ "action": action, "release": "web", "namespace": self.name,
                              "cluster": { "kubeconfig": kubeconfig } });
        merged(payload.as_object().cloned().unwrap_or_default(), more)
    }

    pub(crate) fn builder(&self, action: &str, more: Value) -> TestJobBuilder {
        TestJob::builder("helm", &self.payload(action, more))
    }

    pub(crate) fn job(&self, action: &str, more: Value) -> TestJob {
        self.builder(action, more).build().unwrap()
    }

    /// Runs a job that must succeed.
    pub(crate) async fn run(&self, action: &str, more: Value) -> Value {
        let job = self.job(action, more);
        match run(&job).await {
            Ok(outcome) => Value::Object(outcome.metadata),
            Err(error) => panic!("{action}: {error}\n{}", job.log()),
        }
    }

    /// What kubectl prints.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        let finished = self.tool("kubectl", args).await;
        assert!(finished.exit.is_success(), "kubectl {args:?}: {}", finished.stderr_tail);
        String::from_utf8(finished.stdout).unwrap()
    }

    /// The program by hand, as somebody who is no job.
    pub(crate) async fn tool(&self, name: &str, args: &[&str]) -> Finished {
        let job = TestJob::builder("helm", &json!({})).build().unwrap();
        let command = job.context.command(job.context.tool(name).unwrap()).args(args.iter().copied());
        job.context.capture(command.env("KUBECONFIG", &self.kubeconfig)).await.unwrap()
    }

    /// Returns when helm has begun with that revision.
    pub(crate) async fn wait_for_revision(&self, revision: u32) {
        let secret = format!("secret/sh.helm.release.v1.web.v{revision}");
        let namespace = format!("--namespace={}", self.name);
        self.kubectl(&["wait", "--for=create", &secret, &namespace, "--timeout=60s"]).await;
    }

    /// The state of the release, for a job that is asked.
    pub(crate) async fn status(&self) -> (String, Value) {
        let status = self.run("status", json!({})).await;
        (status["status"].as_str().unwrap().to_owned(), status["revision"].clone())
    }
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("helm").unwrap().executor().execute(&job.context).await
}
