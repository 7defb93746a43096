//! The test cluster and the Argo CD beside it, where there are ones.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use executor_api::testing::{TestJob, TestJobBuilder, missing, variable};
use executor_api::{ExecutorError, ExecutorRegistry, JobId, Outcome};
use executor_argocd as _;
use serde_json::{Value, json};

/// The cluster, and a namespace of the test's own in it, which goes away with it.
pub(crate) struct TestCluster {
    pub(crate) kubeconfig: String,
    pub(crate) namespace: String,
    server: String,
    password: String,
    /// What else is to be removed: kind and name in Argo CD's namespace.
    leftovers: Mutex<Vec<(&'static str, String)>>,
}

/// None, and a visible line, where there is no cluster.
pub(crate) fn cluster() -> Option<TestCluster> {
    let names = ["ALETHIA_TEST_KUBECONFIG", "ALETHIA_TEST_ARGOCD_SERVER", "ALETHIA_TEST_ARGOCD_PASSWORD"];
    let [Some(kubeconfig), Some(server), Some(password)] = names.map(variable) else {
        missing("no test cluster with Argo CD; `cargo xtask cluster` starts one");
        return None;
    };
    let kubeconfig = std::fs::read_to_string(kubeconfig).unwrap();
    let namespace = format!("argocd-{}", JobId::generate());
    Some(TestCluster { kubeconfig, namespace, server, password, leftovers: Mutex::default() })
}

impl TestCluster {
    /// A name for an application of this test.
    pub(crate) fn application(&self) -> String {
        self.leftovers.lock().unwrap().push(("applications.argoproj.io", self.namespace.clone()));
        self.namespace.clone()
    }

    pub(crate) fn remove_later(&self, kind: &'static str, name: String) {
        self.leftovers.lock().unwrap().push((kind, name));
    }

    /// A payload through Argo CD's server, with a password.
    pub(crate) fn payload(&self, action: &str, more: Value) -> Value {
        let auth = json!({ "username": "admin", "password": self.password });
        let base = json!({ "action": action, "server": self.server, "tls": { "plaintext": true }, "auth": auth });
        merged(base, more)
    }

    /// The same through the cluster.
    pub(crate) fn core_payload(&self, action: &str, more: Value) -> Value {
        merged(json!({ "action": action, "cluster": { "kubeconfig": self.kubeconfig } }), more)
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// What kubectl prints.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(&[args, &["--output=json"]].concat())).unwrap()
    }

    /// Whether there is such an object.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        let output =
            self.command(&["get", "--ignore-not-found", "--output=name", "--namespace", &self.namespace, kind, name]);
        !{ output }.output().unwrap().stdout.is_empty()
    }

    /// Returns when it is true, which may be at once.
    pub(crate) async fn until(&self, condition: &str, namespace: &str, object: &str) {
        let condition = format!("--for={condition}");
        let mut command = self.command(&["wait", &condition, "--timeout=120s", "--namespace", namespace, object]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{condition} of {object}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[expect(clippy::disallowed_methods, reason = "who looks from outside is no job")]
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(args).env("KUBECONFIG", variable("ALETHIA_TEST_KUBECONFIG").unwrap()).stdin(Stdio::null());
        command
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        let remove = |args: &[&str]| {
            let args = [&["delete", "--wait=false", "--ignore-not-found"][..], args].concat();
            // What is left of a test that failed is not worth a second failure.
            let _ = self.command(&args).output();
        };
        for (kind, name) in self.leftovers.lock().unwrap().iter() {
            remove(&["--namespace=argocd", kind, name]);
        }
        remove(&["namespace", &self.namespace]);
    }
}

fn merged(mut base: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut base, more) else { panic!("both are objects") };
    fields.extend(more);
    base
}

pub(crate) fn builder(payload: &Value) -> TestJobBuilder {
    TestJob::builder("argocd", payload)
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("argocd").unwrap().executor().execute(&job.context).await
}

/// Runs a payload that succeeds.
pub(crate) async fn succeed(payload: &Value) -> (TestJob, Outcome) {
    let job = builder(payload).build().unwrap();
    match run(&job).await {
        Ok(outcome) => (job, outcome),
        Err(error) => panic!("{error}\n{}", job.log()),
    }
}

/// Runs a payload that fails, and how.
pub(crate) async fn fail(payload: &Value) -> (TestJob, String) {
    let job = builder(payload).build().unwrap();
    match run(&job).await {
        Ok(outcome) => panic!("it succeeded: {outcome:?}\n{}", job.log()),
        Err(error) => (job, error.to_string()),
    }
}
