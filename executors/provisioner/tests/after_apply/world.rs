//! The test cluster with Argo CD, one test at a time: the names of applications are the product's, not a test's.

use std::process::{Command, Stdio};

use executor_api::testing::{TestJob, missing, variable};
use executor_api::{ExecutorError, Input};
use executor_provisioner::{Snapshot, Steps, after_apply};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::charts::{Charts, LABEL};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const KARPENTERS_KINDS: [(&str, &str, &str); 3] = [
    ("karpenter.sh", "NodePool", "nodepools"),
    ("karpenter.sh", "NodeClaim", "nodeclaims"),
    ("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses"),
];

/// The cluster as a test has it, without anything of another test.
pub(crate) struct World {
    pub(crate) kubeconfig: String,
    pub(crate) charts: Charts,
    _guard: MutexGuard<'static, ()>,
}

/// None, and a visible line, where there is no cluster.
pub(crate) async fn world(hopeless: Option<&str>) -> Option<World> {
    let names = ["ALETHIA_TEST_KUBECONFIG", "ALETHIA_TEST_ARGOCD_SERVER"];
    let [Some(kubeconfig), Some(_)] = names.map(variable) else {
        missing("no test cluster with Argo CD; `cargo xtask cluster` starts one");
        return None;
    };
    let guard = ONE_AT_A_TIME.lock().await;
    clean();
    with_karpenters_kinds().await;
    let kubeconfig = std::fs::read_to_string(kubeconfig).unwrap();
    Some(World { kubeconfig, charts: Charts::serve(hopeless).await, _guard: guard })
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            clean();
        }
    }
}

impl World {
    /// A snapshot of the environment `shop` whose charts are the test's. `kubeconfig` is in it unless said otherwise.
    pub(crate) fn snapshot(&self, provider: &str, more: Value) -> Snapshot {
        let (region, account) = match provider {
            "gcp" => ("europe-west1", "my-project"),
            "azure" => ("westeurope", "11111111-2222-3333-4444-555555555555"),
            _ => ("eu-west-1", "123456789012"),
        };
        let mut payload = json!({ "zone_id": "zone-1", "project_name": "shop", "environment_stage": "development",
                                  "provider": provider, "region": region, "cloud_account_id": account,
                                  "cluster": { "kubeconfig": self.kubeconfig } });
        let (Value::Object(all), Value::Object(more)) = (&mut payload, more) else { panic!("both are objects") };
        all.extend(more);
        let mut snapshot = Snapshot::read(&payload, None).unwrap();
        // The test's cluster stands for one that terraform made.
        snapshot.cluster.provision = true;
        snapshot.argocd.chart_repository = Some(self.charts.url.clone());
        snapshot.applications.repositories = self.charts.mirrors();
        snapshot.applications.deadline = std::time::Duration::from_secs(180);
        snapshot
    }

    /// The values that a chart was given.
    pub(crate) fn values(&self, namespace: &str, chart: &str) -> Value {
        let map = json_of(&["get", "configmap", &format!("values-of-{chart}"), "--namespace", namespace]);
        serde_json::from_str(map["data"]["values"].as_str().unwrap()).unwrap()
    }
}

/// Made up, as terraform would hand them back on AWS.
pub(crate) fn aws_outputs() -> Map<String, Value> {
    let outputs = json!({
        "eks_cluster_name": crate::cloud::CLUSTER, "eks_cluster_endpoint": "https://abc.gr7.eu-west-1.eks.amazonaws.com",
        "vpc_id": "vpc-0123", "acm_certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/abc",
        "eks_irsa_alb_controller_arn": "arn:aws:iam::123456789012:role/alb",
        "eks_irsa_external_dns_arn": "arn:aws:iam::123456789012:role/dns",
        "eks_irsa_external_secrets_arn": "arn:aws:iam::123456789012:role/secrets",
        "eks_irsa_cluster_autoscaler_arn": "arn:aws:iam::123456789012:role/autoscaler",
        "karpenter_sa_role": "arn:aws:iam::123456789012:role/karpenter", "karpenter_queue_name": "queue-of-shop",
        "node_iam_role_name": "eks-euw1-dev-shop-node", "node_security_group": "sg-0123", "node_architecture": "arm64",
    });
    outputs.as_object().unwrap().clone()
}

/// The same of an environment in a cluster that was brought: terraform made none.
pub(crate) fn of_no_cluster(outputs: &Map<String, Value>) -> Map<String, Value> {
    outputs.clone().into_iter().filter(|(name, _)| !name.ends_with("_cluster_name")).collect()
}

pub(crate) fn job() -> TestJob {
    TestJob::builder("DEPLOY", &json!({})).build().unwrap()
}

pub(crate) async fn deploy(
    job: &TestJob,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    after_apply::run(&job.context, &mut Steps::new(&job.context), snapshot, outputs).await
}

pub(crate) async fn destroy(
    job: &TestJob,
    snapshot: &Snapshot,
    outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    after_apply::remove(&job.context, &mut Steps::new(&job.context), snapshot, outputs).await
}

/// Deploys what has to succeed.
pub(crate) async fn deployed(snapshot: &Snapshot, outputs: &Map<String, Value>) -> (TestJob, Map<String, Value>) {
    let job = job();
    match deploy(&job, snapshot, outputs).await {
        Ok(told) => (job, told),
        Err(error) => panic!("{error}\n{}", job.log()),
    }
}

/// The token that a job has for a host.
pub(crate) fn job_with(input: Input, token: &str) -> TestJob {
    TestJob::builder("DEPLOY", &json!({})).input(input, token).build().unwrap()
}

/// What kubectl prints.
pub(crate) fn kubectl(args: &[&str]) -> String {
    let output = command(args).output().unwrap();
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&kubectl(&[args, &["--output=json"]].concat())).unwrap()
}

pub(crate) fn apply(object: &Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    kubectl(&["apply", "--filename", file.path().to_str().unwrap()]);
}

/// The names of the applications that are there.
pub(crate) fn applications() -> Vec<String> {
    let names = kubectl(&["get", "applications.argoproj.io", "--namespace=argocd", "--output=name"]);
    names.lines().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect()
}

/// Whether there is such an object.
pub(crate) fn has(args: &[&str]) -> bool {
    !kubectl(&[&["get", "--ignore-not-found", "--output=name"], args].concat()).is_empty()
}

/// Returns when it is true, which may be at once.
pub(crate) async fn until(condition: &str, namespace: &str, object: &str) {
    let condition = format!("--for={condition}");
    let mut command = command(&["wait", &condition, "--timeout=120s", "--namespace", namespace, object]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{condition} of {object}: {}", String::from_utf8_lossy(&output.stderr));
}

#[expect(clippy::disallowed_methods, reason = "who looks from outside is no job")]
fn command(args: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(args).env("KUBECONFIG", variable("ALETHIA_TEST_KUBECONFIG").unwrap()).stdin(Stdio::null());
    command
}

/// Karpenter's kinds, once for all tests: while three kinds come or go at once, Argo CD 3.2 may do nothing for minutes. So its
/// chart does not bring them here. What an object of them may hold is not checked.
async fn with_karpenters_kinds() {
    for (group, kind, plural) in KARPENTERS_KINDS {
        let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let version = json!({ "name": "v1beta1", "served": true, "storage": true, "schema": schema });
        let name = format!("{plural}.{group}");
        apply(&json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                       "metadata": { "name": name },
                       "spec": { "group": group, "scope": "Cluster", "versions": [version],
                                 "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() } } }));
        until("condition=Established", "default", &format!("customresourcedefinition/{name}")).await;
    }
}

/// What another test may have left.
fn clean() {
    let delete = |args: &[&str]| kubectl(&[&["delete", "--ignore-not-found"], args].concat());
    let argocd = "--namespace=argocd";
    for name in applications() {
        kubectl(&[
            "patch",
            "applications.argoproj.io",
            &name,
            argocd,
            "--type=merge",
            "--patch={\"metadata\":{\"finalizers\":null}}",
        ]);
    }
    delete(&["applications.argoproj.io", argocd, "--selector=alethia/environment"]);
    delete(&["appprojects.argoproj.io", argocd, "infra", "apps"]);
    delete(&["secrets", argocd, "--selector=owner=helm"]);
    delete(&["secrets", argocd, "repo-apps"]);
    delete(&["deployments,configmaps,services,ingresses,persistentvolumes", "--all-namespaces", "--selector", LABEL]);
    for (group, _, plural) in KARPENTERS_KINDS {
        let kind = format!("{plural}.{group}");
        if has(&["customresourcedefinitions", &kind]) {
            for one in kubectl(&["get", &kind, "--output=name"]).lines() {
                kubectl(&["patch", one, "--type=merge", "--patch={\"metadata\":{\"finalizers\":null}}"]);
            }
            kubectl(&["delete", &kind, "--all"]);
        }
    }
    delete(&["customresourcedefinitions", "--selector", LABEL]);
    delete(&["storageclasses", "gp3"]);
}
