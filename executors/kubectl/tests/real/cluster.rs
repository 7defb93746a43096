//! The cluster that `cargo xtask cluster` gives a test, or a visible skip; a namespace of its own for each test.

use std::path::PathBuf;
use std::time::Duration;

use executor_api::testing::{TestJob, kubeconfig, tool};
use executor_api::{ExecutorError, ExecutorRegistry, JobId, Outcome, Stop, StopReason};
use executor_kubectl as _;
use serde_json::{Value, json};

/// A namespace of the test cluster. It goes when the test ends, however it ends.
#[derive(Clone)]
pub(crate) struct Namespace {
    pub(crate) name: String,
    kubeconfig: PathBuf,
}

/// Runs a test in a namespace, unless there is no cluster.
pub(crate) async fn in_namespace<T: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Namespace) -> T) {
    let (Some(kubeconfig), Some(_)) = (kubeconfig(), tool("kubectl")) else { return };
    let namespace = Namespace { name: format!("kubectl-{}", JobId::generate()), kubeconfig };
    namespace.kubectl(&["create", "namespace", &namespace.name]).await;
    let ended = tokio::spawn(test(namespace.clone())).await;
    namespace.kubectl(&["delete", "namespace", &namespace.name, "--wait=false"]).await;
    if let Err(panicked) = ended {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

impl Namespace {
    /// The text of the admin's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        std::fs::read_to_string(&self.kubeconfig).unwrap()
    }

    /// A payload on the cluster, in this namespace.
    pub(crate) fn payload(&self, action: &str, more: &Value) -> Value {
        let mut payload = json!({ "action": action, "namespace": self.name, "timeout": "60s",
                                  "cluster": { "kubeconfig": self.kubeconfig() } });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    }

    pub(crate) fn job(&self, action: &str, more: &Value) -> TestJob {
        TestJob::builder("kubectl", &self.payload(action, more)).build().unwrap()
    }

    /// As somebody who may do nothing.
    pub(crate) fn job_of_nobody(&self, action: &str, more: &Value) -> TestJob {
        let mut kubeconfig: Value = serde_saphyr::from_str(&self.kubeconfig()).unwrap();
        kubeconfig["users"][0]["user"]["as"] = json!("nobody");
        let mut payload = self.payload(action, more);
        payload["cluster"]["kubeconfig"] = json!(kubeconfig.to_string());
        TestJob::builder("kubectl", &payload).build().unwrap()
    }

    /// Runs a job that must succeed.
    pub(crate) async fn run(&self, action: &str, more: &Value) -> (Value, TestJob) {
        let job = self.job(action, more);
        match run(&job).await {
            Ok(outcome) => (Value::Object(outcome.metadata), job),
            Err(error) => panic!("{action}: {error}\n{}", job.log()),
        }
    }

    /// Runs a job that must fail.
    pub(crate) async fn fail(&self, action: &str, more: &Value) -> (ExecutorError, TestJob) {
        let job = self.job(action, more);
        match run(&job).await {
            Ok(outcome) => panic!("{action}: {outcome:?}\n{}", job.log()),
            Err(error) => (error, job),
        }
    }

    /// What kubectl prints for somebody who is no job.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        let job = TestJob::builder("kubectl", &json!({})).build().unwrap();
        let command = job.context.command(job.context.tool("kubectl").unwrap()).args(args.iter().copied());
        let finished = job.context.capture(command.env("KUBECONFIG", &self.kubeconfig)).await.unwrap();
        assert!(finished.exit.is_success(), "kubectl {args:?}: {}", finished.stderr_tail);
        String::from_utf8(finished.stdout).unwrap()
    }

    /// As [`Self::kubectl`], in this namespace.
    pub(crate) async fn kubectl_here(&self, args: &[&str]) -> String {
        let namespace = format!("--namespace={}", self.name);
        self.kubectl(&[args, &[&namespace]].concat()).await
    }
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("kubectl").unwrap().executor().execute(&job.context).await
}

/// Stops the job when its log says so.
pub(crate) async fn run_and_stop(job: &TestJob, at: &str) -> Result<Outcome, ExecutorError> {
    let stopper = async {
        while !job.log().contains(at) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    };
    tokio::join!(run(job), stopper).0
}

/// `change resource/name` of each object.
pub(crate) fn changes(answer: &Value) -> Vec<String> {
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or("?").to_owned();
    let line =
        |object: &Value| format!("{} {}/{}", text(object, "change"), text(object, "resource"), text(object, "name"));
    answer["objects"].as_array().unwrap().iter().map(line).collect()
}

/// A workload, a configuration and a secret.
pub(crate) fn stack(replicas: u32, value: &str, password: &str) -> Value {
    json!({ "manifests": { "inline": format!("
apiVersion: v1
kind: ConfigMap
metadata: {{ name: settings }}
data: {{ value: '{value}' }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: database }}
stringData: {{ password: '{password}' }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: web }}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: 600
  selector: {{ matchLabels: {{ app: web }} }}
  template:
    metadata: {{ labels: {{ app: web }} }}
    spec: {{ containers: [{{ name: main, image: 'registry.example/web:1' }}] }}
") } })
}

pub(crate) fn config(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name}, labels: {{ app: web }} }}\ndata: {{ value: '{value}' }}\n"
    )
}

pub(crate) fn inline(texts: &[&str], more: &Value) -> Value {
    let mut fields = json!({ "manifests": { "inline": texts.join("---\n") } });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}
