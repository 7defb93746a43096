//! What does not get well, and who is told.

use std::time::Duration;

use executor_api::{ExecutorError, Stop, StopReason};
use serde_json::{Value, json};

use crate::git_host::{GitHost, TOKEN};
use crate::world::{applications, aws_outputs, deploy, job, json_of, kubectl, until, world};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_healthy_at_the_deadline_is_named_with_its_reason() {
    let Some(world) = world(Some("metrics-server")).await else { return };
    let cluster = json!({ "kubeconfig": world.kubeconfig, "provider_config": { "enable_karpenter": true } });
    let mut snapshot = world.snapshot("aws", json!({ "cluster": cluster }));
    // What is well has to be seen as well by then, also by a machine that is busy.
    snapshot.applications.deadline = Duration::from_secs(90);
    let job = job();
    let error = deploy(&job, &snapshot, &aws_outputs()).await.unwrap_err().to_string();
    assert!(
        error.starts_with("after 1m 30s these applications are not synced and healthy:\n  metrics-server: "),
        "{error}"
    );
    assert!(error.contains("Degraded") && error.contains("metrics-server-of-a-test"), "{error}");
    assert!(error.contains("not begun because of them: karpenter"), "{error}");
    for well in ["external-secrets:", "aws-load-balancer-controller:"] {
        assert!(!error.contains(well), "{well} is well: {error}");
    }
    let told = &job.progress()["applications"];
    assert_eq!(told["metrics-server"]["health"], "Degraded");
    assert_eq!(told["external-secrets"]["health"], "Healthy");
    assert!(!applications().contains(&"karpenter".to_owned()));
    // What was done is said.
    for step in ["Reach the cluster: done", "Install Argo CD: done", "Bring in aws-load-balancer-controller"] {
        assert!(job.log().contains(step), "{step}: {}", job.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_wait_and_leaves_what_is_there() {
    let Some(world) = world(Some("external-secrets")).await else { return };
    let snapshot = world.snapshot("gcp", json!({}));
    let (job, outputs) = (job(), serde_json::Map::new());
    let (ended, ()) = tokio::join!(deploy(&job, &snapshot, &outputs), async {
        until("create", "external-secrets", "deployment/external-secrets-of-a-test").await;
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    });
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}\n{}", job.log());
    assert_eq!(applications(), ["external-secrets"]);
}

/// Whose Argo CD it is, and whose repository it reads.
fn whose() -> (Value, Value, String) {
    let argocd = |kind: &str, name: &str| json_of(&["get", kind, name, "--namespace=argocd"])["data"].clone();
    let releases = ["get", "secrets", "--namespace=argocd", "--selector=owner=helm", "--output=name"];
    (argocd("configmap", "values-of-argo-cd"), argocd("secret", "repo-apps"), kubectl(&releases))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_environments_argocd_and_applications_stay_what_they_are() {
    let Some(world) = world(None).await else { return };
    let host = GitHost::new(&[("web.yaml", "apiVersion: v1\nkind: List\nitems: []\n")]).await;
    let of = |project: &str, token: &str| {
        let dns = json!({ "enabled": true, "domain_name": format!("{project}.example.com"),
                          "provider_config": { "managed_certificate": true } });
        let more = json!({ "project_name": project, "git_access_token": token, "dns": dns });
        let mut snapshot = world.snapshot("gcp", more);
        snapshot.apps_destination_repo = Some(host.url.clone());
        snapshot
    };
    let outputs = serde_json::Map::new();
    crate::world::deployed(&of("shop", TOKEN), &outputs).await;
    let before = whose();

    let mut other = of("other", "token-of-another-environment");
    for has_applications in [true, false] {
        other.applications.enabled = has_applications;
        let error = deploy(&job(), &other, &outputs).await.unwrap_err().to_string();
        assert!(error.contains("in this cluster belongs to the environment shop-development-"), "{error}");
        assert!(error.contains("argocd: { enabled: false }"), "{error}");
        assert_eq!(whose(), before);
    }
    let removed = crate::world::destroy(&job(), &other, &outputs).await.unwrap();
    assert_eq!(removed["removed"]["applications"], json!([]));
    let owner = kubectl(&["get", "application", "external-secrets", "--namespace=argocd", "--show-labels"]);
    assert!(owner.contains("alethia/environment=shop-development-"), "{owner}");
}
