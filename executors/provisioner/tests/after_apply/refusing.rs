//! The right cluster or none, and nothing hostile in it.

use executor_api::testing::{TestJob, variable};
use serde_json::{Map, Value, json};

use crate::world::{applications, aws_outputs, deploy, destroy, has, job, of_no_cluster, world};

fn is_untouched() -> bool {
    applications().is_empty() && !has(&["secrets", "--namespace=argocd", "--selector=owner=helm"])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_cluster_is_taken_for_the_environments() {
    let Some(world) = world(None).await else { return };
    // Another cluster everywhere that tools look for one.
    let other = variable("ALETHIA_TEST_KUBECONFIG").unwrap();
    let job = || {
        let settings = TestJob::builder("DEPLOY", &json!({})).settings(|settings| {
            settings.env.insert("KUBECONFIG".to_owned(), other.clone());
            settings.env.insert("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned());
            settings.env.insert("KUBERNETES_SERVICE_PORT".to_owned(), "1".to_owned());
        });
        let job = settings.build().unwrap();
        let folder = job.context.paths().home.join(".kube");
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(&other, folder.join("config")).unwrap();
        job
    };
    for provider in ["aws", "gcp", "azure"] {
        let mut snapshot = world.snapshot(provider, json!({}));
        snapshot.cluster.kubeconfig = None;
        let none = job();
        assert_eq!(deploy(&none, &snapshot, &Map::new()).await.unwrap(), Map::new());
        assert!(none.log().contains("nothing is installed: terraform made no cluster"), "{}", none.log());
        assert_eq!(destroy(&job(), &snapshot, &Map::new()).await.unwrap(), Map::new());
        let named = json!({ "eks_cluster_name": "eks-1", "gke_cluster_name": "gke-1", "aks_cluster_name": "aks-1" });
        let unreachable = job();
        let error = deploy(&unreachable, &snapshot, named.as_object().unwrap()).await.unwrap_err().to_string();
        assert!(
            error.starts_with("the environment's cluster cannot be reached: the job has no cloud identity"),
            "{error}"
        );
        assert_eq!(unreachable.commits(), 0);
    }
    assert!(is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_fails_the_job_with_a_remedy() {
    let Some(world) = world(None).await else { return };
    let closed = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": "https://127.0.0.1:1" } }],
        "users": [{ "name": "a", "user": { "token": "token-of-a-test" } }] });
    let mut snapshot = world.snapshot("aws", json!({ "cluster": { "kubeconfig": closed.to_string() } }));
    let outputs = aws_outputs();
    let error = deploy(&job(), &snapshot, &outputs).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    let outputs = of_no_cluster(&outputs);
    let error = destroy(&job(), &snapshot, &outputs).await.unwrap_err().to_string();
    assert!(error.contains("would stay behind") && error.contains("argocd: { enabled: false }"), "{error}");
    snapshot.argocd.enabled = false;
    let job = job();
    assert_eq!(destroy(&job, &snapshot, &outputs).await.unwrap(), Map::new());
    assert!(job.log().contains("stay behind"), "{}", job.log());
    assert!(is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_is_not_there_fails_the_job_at_its_step() {
    let Some(world) = world(None).await else { return };
    let mut snapshot = world.snapshot("gcp", json!({}));
    snapshot.argocd.chart_version = Some("7.99.0".to_owned());
    let job = job();
    let error = deploy(&job, &snapshot, &Map::new()).await.unwrap_err().to_string();
    assert!(error.contains("argo-cd") && error.contains("7.99.0") && !error.contains("/install"), "{error}");
    assert!(job.log().contains("Install Argo CD: failed"), "{}", job.log());
    assert!(is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_fact_is_refused_before_anything_is_touched() {
    let Some(world) = world(None).await else { return };
    let dns = json!({ "enabled": true, "domain_name": "shop.example.com" });
    let snapshot = world.snapshot("aws", json!({ "dns": dns }));
    for hostile in ["x\nkind: Secret", "a\"}", "'; rm -rf /", "{{ .Files }}", "$(id)", "`id`", "--set=a=b"] {
        for output in ["acm_certificate_arn", "vpc_id", "eks_irsa_external_dns_arn"] {
            let mut outputs = aws_outputs();
            outputs.insert(output.to_owned(), Value::from(hostile));
            let job = job();
            let error = deploy(&job, &snapshot, &outputs).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("terraform's output {output} ")), "{hostile:?}: {error}");
            assert_eq!((job.commits(), job.log()), (0, String::new()));
        }
    }
    assert!(is_untouched());
}
