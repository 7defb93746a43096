//! Through Argo CD's server.

use executor_api::{ExecutorError, Stop, StopReason};
use serde_json::{Value, json};

use crate::cluster::{TestCluster, builder, cluster, fail, run, succeed};
use crate::git_host::{ENDLESS_HOOK, GitHost, HOPELESS, TOKEN, config};

/// Makes the repository known; its Secret goes away with the test.
async fn add_repository(cluster: &TestCluster, host: &GitHost) {
    let repository = json!({ "url": host.url, "password": TOKEN });
    let (job, _) = succeed(&cluster.payload("repo", json!({ "repository": repository }))).await;
    assert_eq!(job.commits(), 1);
    for secret in [TOKEN, cluster.password()] {
        assert!(!job.log().contains(secret), "{}", job.log());
    }
    cluster.remove_later("secrets", secret_of(cluster, &host.url));
}

/// The name of the Secret that holds a repository.
fn secret_of(cluster: &TestCluster, url: &str) -> String {
    use base64::Engine;
    let url = base64::engine::general_purpose::STANDARD.encode(url);
    let secrets =
        cluster.json(&["get", "secrets", "--namespace=argocd", "--selector=argocd.argoproj.io/secret-type=repository"]);
    let secrets: Vec<_> =
        secrets["items"].as_array().unwrap().iter().filter(|one| one["data"]["url"] == url.as_str()).collect();
    assert_eq!(secrets.len(), 1);
    secrets[0]["metadata"]["name"].as_str().unwrap().to_owned()
}

pub(crate) fn spec(cluster: &TestCluster, host: &GitHost) -> Value {
    json!({ "source": { "repo": host.url, "path": "web" }, "destination": { "namespace": cluster.namespace },
            "sync_policy": { "sync_options": ["CreateNamespace=true"] } })
}

/// An application of these files.
async fn application(cluster: &TestCluster, files: &[(&str, &str)]) -> (GitHost, String) {
    let host = GitHost::new(files).await;
    add_repository(cluster, &host).await;
    let name = cluster.application();
    succeed(&cluster.payload("app", json!({ "application": name, "spec": spec(cluster, &host) }))).await;
    (host, name)
}

fn value_of(cluster: &TestCluster) -> Value {
    cluster.json(&["get", "configmap", "web", "--namespace", &cluster.namespace])["data"]["value"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_lives_from_a_repository_with_a_token() {
    let Some(cluster) = cluster() else { return };
    let (host, name) = application(
        &cluster,
        &[("web/config.yaml", &config("one")), ("web/old.yaml", &config("x").replace("web", "old"))],
    )
    .await;
    let (job, again) =
        succeed(&cluster.payload("app", json!({ "application": name, "spec": spec(&cluster, &host) }))).await;
    assert_eq!((&again.metadata["change"], job.commits()), (&json!("unchanged"), 1));

    let (job, synced) = succeed(&cluster.payload("sync", json!({ "application": name }))).await;
    let metadata = &synced.metadata;
    assert_eq!((&metadata["sync_status"], &metadata["health_status"]), (&json!("Synced"), &json!("Healthy")));
    assert_eq!(metadata["operation"]["phase"], "Succeeded");
    assert_eq!(metadata["resources"].as_array().unwrap().len(), 2);
    let url = metadata["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with(&format!("/applications/argocd/{name}")), "{url}");
    let line = format!("ConfigMap {}/web: Synced (configmap/web created)", cluster.namespace);
    assert!(job.log().contains(&line), "{line:?} in {}", job.log());
    assert!(!job.log().contains(cluster.password()));
    let first = metadata["history_id"].clone();

    let second = host.commit(&[("web/config.yaml", &config("two")), ("web/old.yaml", "")]);
    let (_, text) = fail(&cluster.payload("sync", json!({ "application": name }))).await;
    let expected = format!(
        "the sync left resources that are no longer in the source; say `prune` to delete them\n  ConfigMap {}/old: OutOfSync",
        cluster.namespace
    );
    assert!(text.starts_with(&expected), "{text}");
    let (job, synced) = succeed(&cluster.payload("sync", json!({ "application": name, "prune": true }))).await;
    assert_eq!(synced.metadata["revision"], second.as_str());
    assert!(job.log().contains(&format!("ConfigMap {}/old: Pruned", cluster.namespace)), "{}", job.log());
    assert_eq!((value_of(&cluster), cluster.has("configmap", "old")), (json!("two"), false));

    let rollback = cluster.payload("rollback", json!({ "application": name, "history_id": first }));
    let (job, back) = succeed(&rollback).await;
    assert_eq!((&back.metadata["health_status"], job.commits()), (&json!("Healthy"), 1));
    assert_eq!((value_of(&cluster), cluster.has("configmap", "old")), (json!("one"), true));
    let (job, status) = succeed(&cluster.payload("status", json!({ "application": name }))).await;
    assert_eq!((&status.metadata["sync_status"], job.commits()), (&json!("OutOfSync"), 0));

    let (_, deleted) = succeed(&cluster.payload("delete", json!({ "application": name }))).await;
    assert_eq!(deleted.metadata["deleted"], true);
    assert!(!cluster.has("configmap", "web"), "its resources went with it");
    let (_, text) = fail(&cluster.payload("status", json!({ "application": name }))).await;
    assert!(text.starts_with("/application: ") && text.contains("there is no such thing"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_stay_where_the_application_alone_is_deleted() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(&cluster, &[("web/config.yaml", &config("one"))]).await;
    succeed(&cluster.payload("sync", json!({ "application": name }))).await;
    succeed(&cluster.payload("delete", json!({ "application": name, "cascade": "orphan" }))).await;
    assert!(cluster.has("configmap", "web"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_part_of_it_change_no_more_than_they_say() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(
        &cluster,
        &[("web/config.yaml", &config("one")), ("web/b.yaml", &config("b").replace("web", "other"))],
    )
    .await;
    cluster.kubectl(&["create", "namespace", &cluster.namespace]);
    let (_, outcome) = succeed(&cluster.payload("sync", json!({ "application": name, "dry_run": true }))).await;
    assert_eq!(outcome.metadata["operation"]["phase"], "Succeeded");
    assert!(!cluster.has("configmap", "web"));
    let resources = json!([{ "kind": "ConfigMap", "name": "web" }]);
    succeed(&cluster.payload("sync", json!({ "application": name, "resources": resources }))).await;
    assert_eq!((cluster.has("configmap", "web"), cluster.has("configmap", "other")), (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_stays_degraded_fails_with_what_is_wrong() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(&cluster, &[("web/hopeless.yaml", HOPELESS)]).await;
    let (job, text) = fail(&cluster.payload("sync", json!({ "application": name, "timeout": "30s" }))).await;
    let head =
        format!("argocd/{name} is not synced and healthy after 30s: it is Synced, Degraded").replace("argocd/", "");
    assert!(text.starts_with(&head), "{text}");
    let line = format!(
        "Deployment {}/hopeless: Degraded: Deployment \"hopeless\" exceeded its progress deadline",
        cluster.namespace
    );
    assert!(text.contains(&line), "{line:?} in {text}");
    assert_eq!(job.progress()["health_status"], "Degraded");
    assert_eq!(job.progress()["resources"][0]["name"], "hopeless");
    let (job, text) = fail(&cluster.payload("wait", json!({ "application": name, "timeout": "2s" }))).await;
    assert!(
        text.contains("is not synced and healthy after 2s: it is Synced, Degraded") && job.commits() == 0,
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_names_the_resource() {
    let Some(cluster) = cluster() else { return };
    let wrong = "apiVersion: v1\nkind: Service\nmetadata: { name: wrong }\nspec: { ports: [{ port: 99999 }] }\n";
    let (_host, name) = application(&cluster, &[("web/config.yaml", &config("one")), ("web/wrong.yaml", wrong)]).await;
    let (job, text) = fail(&cluster.payload("sync", json!({ "application": name }))).await;
    assert!(text.starts_with(&format!("the sync of {name} ended as Failed: ")), "{text}");
    assert!(text.contains(&format!("\n  Service {}/wrong: ", cluster.namespace)) && text.contains("99999"), "{text}");
    assert_eq!(job.progress()["operation"]["phase"], "Failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_cancelled_half_way_is_terminated() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) =
        application(&cluster, &[("web/config.yaml", &config("one")), ("web/hook.yaml", ENDLESS_HOOK)]).await;
    let job = builder(&cluster.payload("sync", json!({ "application": name }))).build().unwrap();
    let (ended, ()) = tokio::join!(run(&job), async {
        cluster
            .until("jsonpath={.status.operationState.phase}=Running", "argocd", &format!("application/{name}"))
            .await;
        cluster.until("create", &cluster.namespace, "job/migrate").await;
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    });
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}\n{}", job.log());
    let state = &cluster.json(&["get", "application", &name, "--namespace=argocd"])["status"]["operationState"];
    assert_eq!((&state["phase"], &state["message"]), (&json!("Failed"), &json!("Operation terminated")));
    for line in [
        &format!("terminating the sync of {name}"),
        "operation terminating",
        &format!("the sync ended as Failed: Operation terminated; {name} is left "),
    ] {
        assert!(job.log().contains(line), "{line:?} in {}", job.log());
    }
    assert_eq!(job.progress()["operation"]["phase"], "Failed");
    assert!(!cluster.has("configmap", "web"), "what comes after the hook was not begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_late_is_terminated() {
    let Some(cluster) = cluster() else { return };
    let (_host, name) = application(&cluster, &[("web/hook.yaml", ENDLESS_HOOK)]).await;
    let (_, text) = fail(&cluster.payload("sync", json!({ "application": name, "timeout": "5s" }))).await;
    assert!(text.starts_with(&format!("the sync of {name} is not over after 5s, and is terminated")), "{text}");
    let state = &cluster.json(&["get", "application", &name, "--namespace=argocd"])["status"]["operationState"];
    assert_eq!(state["message"], "Operation terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_of_what_argo_cd_syncs_itself_is_refused() {
    let Some(cluster) = cluster() else { return };
    let host = GitHost::new(&[("web/config.yaml", &config("one"))]).await;
    add_repository(&cluster, &host).await;
    let name = cluster.application();
    let mut spec = spec(&cluster, &host);
    spec["sync_policy"]["automated"] = json!({ "prune": true, "self_heal": true });
    spec["sync_policy"]["retry"] = json!({ "limit": 2, "delay": "5s", "factor": 2, "longest_delay": "1m" });
    spec["labels"] = json!({ "team": "a" });
    spec["delete_resources_with_it"] = json!(true);
    succeed(&cluster.payload("app", json!({ "application": name, "spec": spec }))).await;
    let (job, again) = succeed(&cluster.payload("app", json!({ "application": name, "spec": spec }))).await;
    assert_eq!(again.metadata["change"], "unchanged", "{}", job.log());
    let (_, waited) = succeed(&cluster.payload("wait", json!({ "application": name }))).await;
    assert_eq!(waited.metadata["operation"]["phase"], "Succeeded");
    let (job, text) = fail(&cluster.payload("rollback", json!({ "application": name }))).await;
    assert!(text.starts_with("/action: Argo CD syncs this application by itself") && job.commits() == 0, "{text}");
    spec["sync_policy"] = json!({ "sync_options": ["CreateNamespace=true"] });
    let (_, changed) = succeed(&cluster.payload("app", json!({ "application": name, "spec": spec }))).await;
    assert_eq!(changed.metadata["change"], "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_says_what_its_applications_may() {
    let Some(cluster) = cluster() else { return };
    let host = GitHost::new(&[("web/config.yaml", &config("one"))]).await;
    add_repository(&cluster, &host).await;
    let (project, name) = (cluster.namespace.clone(), cluster.application());
    cluster.remove_later("appprojects.argoproj.io", project.clone());
    let mut wanted = json!({ "name": project, "description": "of a test", "source_repos": [host.url],
                             "destinations": [{ "namespace": "elsewhere" }], "cluster_resources": [{ "kind": "Namespace" }] });
    succeed(&cluster.payload("project", json!({ "project": wanted }))).await;
    let mut spec = spec(&cluster, &host);
    spec["project"] = json!(project);
    let (_, text) = fail(&cluster.payload("app", json!({ "application": name, "spec": spec }))).await;
    assert!(text.contains("do not match any of the allowed destinations"), "{text}");
    wanted["destinations"] = json!([{ "namespace": cluster.namespace }]);
    succeed(&cluster.payload("project", json!({ "project": wanted }))).await;
    succeed(&cluster.payload("app", json!({ "application": name, "spec": spec }))).await;
    succeed(&cluster.payload("sync", json!({ "application": name }))).await;
    succeed(&cluster.payload("delete", json!({ "application": name }))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_git_host_refuses_is_refused() {
    let Some(cluster) = cluster() else { return };
    let host = GitHost::new(&[("web/config.yaml", &config("one"))]).await;
    let repository = json!({ "url": host.url, "password": "another-token-of-the-test" });
    let (job, text) = fail(&cluster.payload("repo", json!({ "repository": repository }))).await;
    assert!(text.starts_with("argocd repo add failed: ") && text.contains("authentication"), "{text}");
    assert!(!text.contains("another-token-of-the-test") && !job.log().contains("another-token-of-the-test"));
    let (_, text) =
        fail(&cluster.payload("app", json!({ "application": cluster.application(), "spec": spec(&cluster, &host) })))
            .await;
    assert!(text.starts_with("argocd app create failed with exit code 20: "), "{text}");
}
