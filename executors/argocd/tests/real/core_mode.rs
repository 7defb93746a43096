//! Without Argo CD's server, through the cluster that it lives in.

use executor_api::{ExecutorError, Stop, StopReason};
use serde_json::{Value, json};

use crate::cluster::{TestCluster, builder, cluster, fail, run, succeed};
use crate::git_host::{ENDLESS_HOOK, GitHost, HOPELESS, TOKEN, config};
use crate::server_mode::spec;

async fn application(cluster: &TestCluster, files: &[(&str, &str)]) -> (GitHost, String) {
    let host = GitHost::new(files).await;
    // A name of the test's own, so that it can be removed.
    let repository = json!({ "url": host.url, "password": TOKEN, "secret_name": cluster.namespace });
    cluster.remove_later("secrets", cluster.namespace.clone());
    let (job, _) = succeed(&cluster.core_payload("repo", json!({ "repository": repository }))).await;
    assert!(!job.log().contains(TOKEN), "{}", job.log());
    let name = cluster.application();
    let (_, made) =
        succeed(&cluster.core_payload("app", json!({ "application": name, "spec": spec(cluster, &host) }))).await;
    assert_eq!(made.metadata["change"], "created");
    (host, name)
}

fn value_of(cluster: &TestCluster) -> Value {
    cluster.json(&["get", "configmap", "web", "--namespace", &cluster.namespace])["data"]["value"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_lives_without_the_server() {
    let Some(cluster) = cluster() else { return };
    let (host, name) = application(&cluster, &[("web/config.yaml", &config("one"))]).await;
    let app = |more: Value| {
        let mut spec = spec(&cluster, &host);
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cluster.core_payload("app", json!({ "application": name, "spec": spec }))
    };
    assert_eq!(succeed(&app(json!({}))).await.1.metadata["change"], "unchanged");
    assert_eq!(succeed(&app(json!({ "labels": { "team": "a" } }))).await.1.metadata["change"], "updated");

    let (job, synced) = succeed(&cluster.core_payload("sync", json!({ "application": name }))).await;
    let metadata = &synced.metadata;
    assert_eq!((&metadata["sync_status"], &metadata["health_status"]), (&json!("Synced"), &json!("Healthy")));
    assert_eq!((&metadata["operation"]["phase"], job.commits()), (&json!("Succeeded"), 1));
    let line = format!("ConfigMap {}/web: Synced (configmap/web created)", cluster.namespace);
    assert!(job.log().contains(&line), "{line:?} in {}", job.log());

    let second = host.commit(&[("web/config.yaml", &config("two"))]);
    let (_, synced) = succeed(&cluster.core_payload("sync", json!({ "application": name, "revision": "main" }))).await;
    assert_eq!(synced.metadata["revision"], second.as_str());
    assert_eq!(value_of(&cluster), "two");
    let (job, _) = succeed(&cluster.core_payload("rollback", json!({ "application": name }))).await;
    assert_eq!((value_of(&cluster), job.commits()), (json!("one"), 1));

    let (_, deleted) = succeed(&cluster.core_payload("delete", json!({ "application": name }))).await;
    assert_eq!((&deleted.metadata["deleted"], cluster.has("configmap", "web")), (&json!(true), false));
    let (job, deleted) = succeed(&cluster.core_payload("delete", json!({ "application": name }))).await;
    assert_eq!((&deleted.metadata["deleted"], job.commits()), (&json!(false), 0));
    let (_, text) = fail(&cluster.core_payload("status", json!({ "application": name }))).await;
    assert!(text.starts_with("/application: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sync_is_terminated_without_the_server() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(&cluster, &[("web/hook.yaml", ENDLESS_HOOK)]).await;
    let job = builder(&cluster.core_payload("sync", json!({ "application": name }))).build().unwrap();
    let (ended, ()) = tokio::join!(run(&job), async {
        cluster
            .until("jsonpath={.status.operationState.phase}=Running", "argocd", &format!("application/{name}"))
            .await;
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    });
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}\n{}", job.log());
    let state = &cluster.json(&["get", "application", &name, "--namespace=argocd"])["status"]["operationState"];
    assert_eq!((&state["phase"], &state["message"]), (&json!("Failed"), &json!("Operation terminated")));
    assert!(job.log().contains("the sync ended as Failed: Operation terminated"), "{}", job.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_degraded_says_itself_what_is_wrong() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(&cluster, &[("web/hopeless.yaml", HOPELESS)]).await;
    let (_, text) = fail(&cluster.core_payload("sync", json!({ "application": name, "timeout": "30s" }))).await;
    assert!(text.contains("is not synced and healthy after 30s: it is Synced, Degraded"), "{text}");
    let line = format!("Deployment {}/hopeless: ", cluster.namespace);
    assert!(text.contains(&line) && text.contains("MinimumReplicasUnavailable"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_without_the_server() {
    let Some(cluster) = cluster() else { return };
    let project = cluster.namespace.clone();
    cluster.remove_later("appprojects.argoproj.io", project.clone());
    for description in ["of a test", "of the same test"] {
        let wanted = json!({ "name": project, "description": description, "source_repos": ["*"] });
        succeed(&cluster.core_payload("project", json!({ "project": wanted }))).await;
        let found = cluster.json(&["get", "appproject", &project, "--namespace=argocd"]);
        assert_eq!(found["spec"], json!({ "description": description, "sourceRepos": ["*"] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_name_the_secret_of_a_repository_alike() {
    let Some(cluster) = cluster() else { return };
    let host = GitHost::new(&[("web/config.yaml", &config("one"))]).await;
    let repository = json!({ "repository": { "url": host.url, "password": TOKEN } });
    succeed(&cluster.payload("repo", repository.clone())).await;
    let named = |cluster: &TestCluster| {
        let list = cluster.kubectl(&[
            "get",
            "secrets",
            "--namespace=argocd",
            "--output=name",
            "--selector=argocd.argoproj.io/secret-type=repository",
        ]);
        list.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let before = named(&cluster);
    succeed(&cluster.core_payload("repo", repository)).await;
    let url = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(&host.url)
    };
    let ours: Vec<_> = named(&cluster)
        .into_iter()
        .filter(|name| cluster.json(&["get", "--namespace=argocd", name])["data"]["url"] == url.as_str())
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(before.contains(&ours[0]));
    cluster.remove_later("secrets", ours[0].trim_start_matches("secret/").to_owned());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_argo_cd_is_said_to_be_one() {
    let Some(cluster) = cluster() else { return };
    let payload = cluster.core_payload("status", json!({ "application": "any", "namespace": "kube-system" }));
    let (_, text) = fail(&payload).await;
    assert!(text.starts_with("/namespace: there is no Argo CD in the namespace kube-system"), "{text}");
}
