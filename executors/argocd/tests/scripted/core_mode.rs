//! Without Argo CD's server: what is asked of the cluster.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use crate::player::{Player, application, core_payload, run, run_and_stop};

/// All documents that kubectl was given, in order.
fn documents(player: &Player) -> Vec<Value> {
    let text = player.read("documents");
    serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
}

/// A patch of the operation brings about what `after` says.
const STARTS: &str = r#"case "$1" in patch)
file=$(for arg in "$@"; do case $arg in --patch-file=*) echo "${arg#*=}" ;; esac; done)
case "$(cat "$file")" in
*alethia-job*) sed 's/.*"name":"alethia-job","value":"\([^"]*\)".*/\1/' "$file" > $here/tag; become after ;;
*Terminating*) become terminated ;;
*'"operation":null'*) become idle ;;
esac ;; esac"#;

#[tokio::test]
async fn a_sync_is_an_operation_in_the_application() {
    let player = Player::new(STARTS);
    let before = json!({ "metadata": { "name": "web", "namespace": "gitops", "resourceVersion": "7" },
                         "spec": { "syncPolicy": { "syncOptions": ["CreateNamespace=true"], "retry": { "limit": 2 } } } });
    player.says("app", &before.to_string());
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    let options = json!({ "namespace": "gitops", "prune": true, "revision": "main", "wait": false,
                          "resources": [{ "group": "apps", "kind": "Deployment", "name": "a" }] });
    let job = player.job(&core_payload("sync", options));
    run(&job).await.unwrap();
    assert_eq!(job.commits(), 1);
    let id = job.context.job().id.clone();
    let expected = json!({
        "operation": {
            "sync": { "prune": true, "dryRun": false, "syncStrategy": { "hook": { "force": false } }, "revision": "main",
                      "resources": [{ "group": "apps", "kind": "Deployment", "name": "a" }], "syncOptions": ["CreateNamespace=true"] },
            "initiatedBy": { "username": "alethia" },
            "info": [{ "name": "alethia-job", "value": format!("{id}.1") }],
            "retry": { "limit": 2 },
        },
        "status": { "operationState": null },
        "metadata": { "resourceVersion": "7" },
    });
    assert_eq!(documents(&player), [expected]);
    assert!(
        player
            .calls()
            .iter()
            .all(|call| call[0] == "kubectl" && call.iter().any(|arg| arg.starts_with("--kubeconfig=")))
    );
    assert!(player.calls().iter().all(|call| call.contains(&"--namespace=gitops".to_owned())));
    assert_eq!(player.read("modes"), "600\n");
}

#[tokio::test]
async fn a_rollback_names_what_was_synced_then() {
    let player = Player::new(STARTS);
    let history = json!([{ "id": 1, "revision": "r1", "source": { "repoURL": "u", "path": "p" } }, { "id": 2, "revision": "r2" }]);
    player.says("app", &json!({ "metadata": { "name": "web", "namespace": "argocd", "resourceVersion": "7" }, "status": { "history": history } }).to_string());
    player.says("after", &application("OutOfSync", "Healthy", Some("Succeeded"), json!({})));
    let job = player.job(&core_payload("rollback", json!({})));
    assert_eq!(run(&job).await.unwrap().metadata["sync_status"], "OutOfSync");
    let sync = &documents(&player)[0]["operation"]["sync"];
    assert_eq!((&sync["revision"], &sync["source"]["path"]), (&json!("r1"), &json!("p")));
}

#[tokio::test]
async fn a_cancel_ends_what_runs_and_takes_back_what_nobody_began() {
    let asked = json!({ "metadata": { "name": "web", "resourceVersion": "8" }, "operation": { "info": [{ "name": "alethia-job", "value": "@TAG@" }] } });
    for (after, expected, line) in [
        (
            application("OutOfSync", "Missing", Some("Running"), json!({})),
            json!({ "operationState": { "phase": "Terminating" } }),
            "the sync ended as Failed",
        ),
        (asked.to_string(), json!(null), "no sync of this job goes on"),
    ] {
        let player = Player::new(&format!("{STARTS}\n[ -e $here/tag ] && touch $here/ready"));
        player.says("after", &after);
        player.says("terminated", &application("OutOfSync", "Missing", Some("Failed"), json!({})));
        player.says("idle", &application("OutOfSync", "Missing", None, json!({})));
        let job = player.job(&core_payload("sync", json!({})));
        let ended = run_and_stop(&player, &job, false).await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(_))), "{ended:?}");
        let documents = documents(&player);
        let last = documents.last().unwrap();
        assert_eq!(last["status"], expected, "{documents:?}");
        assert!(job.log().contains(line), "{line:?} in {}", job.log());
    }
}

/// The looks at the application fail while its sync goes on: so many of them, with this.
fn looks_that_fail(times: u32, error: &str) -> Player {
    let player = Player::new(&format!(
        r#"{STARTS}
case "$1 $*" in get*"applications.argoproj.io web")
[ -e $here/tag ] && [ "$(count look)" -le {times} ] && {{ echo '{error}' >&2; exit 1; }} ;; esac"#
    ));
    player.says("after", &application("OutOfSync", "Missing", Some("Running"), json!({})));
    player.says("terminated", &application("OutOfSync", "Missing", Some("Failed"), json!({})));
    player
}

#[tokio::test]
async fn a_cluster_that_is_away_for_a_moment_ends_no_sync() {
    let player = looks_that_fail(
        1,
        "The connection to the server cluster.example was refused - did you specify the right host or port?",
    );
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    let job = player.job(&core_payload("sync", json!({ "wait": false })));
    run(&job).await.unwrap();
    assert_eq!(player.changes(), ["patch"]);
    assert!(job.log().contains("did you specify the right host or port?; looking again"), "{}", job.log());
}

#[tokio::test]
async fn a_sync_that_cannot_be_followed_is_terminated_or_said_to_go_on() {
    let forbidden = r#"Error from server (Forbidden): applications.argoproj.io "web" is forbidden"#;
    let (terminated, goes_on) =
        ("the sync ended as Failed", "it may go on in Argo CD; `argocd app terminate-op argocd/web` ends it");
    for (times, changes, line) in [(1, &["patch", "patch"][..], terminated), (u32::MAX, &["patch"], goes_on)] {
        let player = looks_that_fail(times, forbidden);
        let job = player.job(&core_payload("sync", json!({})));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.ends_with(forbidden), "{text}");
        assert_eq!(player.changes(), changes);
        assert!(job.log().contains(line), "{line:?} in {}", job.log());
    }
}

#[tokio::test]
async fn an_application_is_made_or_made_what_it_should_be() {
    let spec =
        json!({ "source": { "repo": "https://git.example/a", "path": "web" }, "destination": { "namespace": "x" } });
    let wanted = json!({ "project": "default", "source": { "repoURL": "https://git.example/a", "path": "web" },
                         "destination": { "server": "https://kubernetes.default.svc", "namespace": "x" } });
    let missing = r#"case "$*" in *"applications.argoproj.io web") [ "$(count get)" = 1 ] && exit ;; esac"#;
    for (test, existing, change, verbs) in [
        (missing, json!({}), "created", &["create"][..]),
        ("", json!({ "project": "other" }), "updated", &["patch"]),
        ("", wanted.clone(), "unchanged", &[]),
    ] {
        let player = Player::new(test);
        player.says(
            "app",
            &json!({ "metadata": { "name": "web", "namespace": "argocd", "resourceVersion": "7" }, "spec": existing })
                .to_string(),
        );
        let job = player.job(&core_payload("app", json!({ "spec": spec })));
        assert_eq!(run(&job).await.unwrap().metadata["change"], change);
        assert_eq!(player.changes(), verbs, "{change}");
        if change == "updated" {
            let expected = json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "7" },
                                  { "op": "replace", "path": "/spec", "value": wanted }]);
            assert_eq!(documents(&player), [expected]);
        }
    }
}

#[tokio::test]
async fn an_application_that_argo_cd_changed_meanwhile_is_read_again() {
    let player = Player::new(
        r#"case "$1" in patch) [ "$(count patch)" = 1 ] && { echo "$(cat $here/race)" >&2; exit 1; } ;; esac"#,
    );
    player.says("race", "The request is invalid: the server rejected our request due to an error in our request");
    player.says("app", r#"{ "metadata": { "name": "web", "namespace": "argocd" }, "spec": { "project": "other" } }"#);
    let spec = json!({ "source": { "repo": "https://git.example/a", "path": "web" }, "destination": {} });
    let outcome = run(&player.job(&core_payload("app", json!({ "spec": spec })))).await.unwrap();
    assert_eq!(outcome.metadata["change"], "updated");
    assert_eq!(player.changes(), ["patch", "patch"]);
}

#[tokio::test]
async fn credentials_go_into_a_secret_and_nowhere_else() {
    let player = Player::new("");
    let repository =
        json!({ "url": "https://git.example/a", "password": "geheim-of-a-test", "secret_name": "repo-apps" });
    let job = player.job(&core_payload("repo", json!({ "application": null, "repository": repository })));
    run(&job).await.unwrap();
    let secret = &documents(&player)[0];
    assert_eq!(secret["metadata"]["name"], "repo-apps");
    assert_eq!(secret["data"]["username"], "eC1hY2Nlc3MtdG9rZW4=");
    assert_eq!(player.read("modes"), "600\n");
    let seen = format!("{:?}{}{}", player.calls(), player.read("env"), job.log());
    assert!(!seen.contains("geheim-of-a-test"));
    assert_eq!(std::fs::read_dir(&job.context.paths().temp).unwrap().count(), 0, "no file of it is left");
}

#[tokio::test]
async fn a_delete_says_what_becomes_of_the_resources() {
    const OURS: &str = "resources-finalizer.argocd.argoproj.io";
    let background = format!("{OURS}/background");
    for (cascade, before, after) in [
        ("foreground", vec!["other"], Some(vec!["other", OURS])),
        ("foreground", vec![OURS], None),
        ("background", vec![OURS], Some(vec![background.as_str()])),
        ("orphan", vec!["other", OURS], Some(vec!["other"])),
    ] {
        let player = Player::new(
            r#"[ "$1" = delete ] && touch $here/deleted
case "$*" in *"applications.argoproj.io web") [ "$1" = get ] && [ -e $here/deleted ] && exit ;; esac"#,
        );
        player.says(
            "app",
            &json!({ "metadata": { "name": "web", "namespace": "argocd", "finalizers": before } }).to_string(),
        );
        let job = player.job(&core_payload("delete", json!({ "cascade": cascade })));
        assert_eq!(run(&job).await.unwrap().metadata["deleted"], true);
        let finalizers: Vec<_> =
            documents(&player).iter().map(|patch| patch["metadata"]["finalizers"].clone()).collect();
        assert_eq!(finalizers, after.map(|after| json!(after)).into_iter().collect::<Vec<_>>(), "{cascade}");
    }
    let player = Player::new(r#"case "$*" in *"applications.argoproj.io web") exit ;; esac"#);
    let job = player.job(&core_payload("delete", json!({})));
    assert_eq!(run(&job).await.unwrap().metadata["deleted"], false, "what is not there is gone");
    assert_eq!(job.commits(), 0);
}

#[tokio::test]
async fn a_cluster_without_argo_cd_is_said_to_be_one() {
    for (error, expected) in [
        (
            "Error from server (NotFound): configmaps \"argocd-cm\" not found",
            "/namespace: there is no Argo CD in the namespace argocd",
        ),
        (
            "error: You must be logged in to the server (Unauthorized)",
            "kubectl get failed with exit code 1: error: You must be logged in",
        ),
    ] {
        let player = Player::new(&format!("echo '{error}' >&2; exit 1"));
        let text = run(&player.job(&core_payload("status", json!({})))).await.unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kubectl_that_hangs_is_given_up() {
    // The clock runs on its own while nothing else does: a minute is over at once.
    let player = Player::new("sleep 600");
    let job = player.job(&core_payload("status", json!({})));
    let text = run(&job).await.unwrap_err().to_string();
    assert_eq!(text, "`kubectl get` did not answer within 60 s");
    assert_eq!(job.log().matches("trying again in 5 s").count(), 2);
}

#[tokio::test]
async fn unhealthy_resources_say_themselves_what_is_wrong() {
    let player = Player::new(r#"case "$*" in *"Deployment.apps web") cat $here/deployment; exit ;; esac"#);
    let resources = json!({ "resources": [{ "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "Synced" }] });
    let mut app: Value = serde_json::from_str(&application("Synced", "Degraded", None, resources)).unwrap();
    app["spec"] = json!({ "destination": { "server": "https://kubernetes.default.svc" } });
    player.says("app", &app.to_string());
    player.says("deployment", r#"{"status":{"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded","message":"too long"}]}}"#);
    let text = run(&player.job(&core_payload("wait", json!({ "timeout": "1s" })))).await.unwrap_err().to_string();
    assert_eq!(
        text,
        "argocd/web is not synced and healthy after 1s: it is Synced, Degraded\n  \
                      Deployment x/web: ProgressDeadlineExceeded: too long"
    );
}

#[tokio::test]
async fn what_argocd_did_not_notice_it_is_asked_to_look_at_again() {
    // The first is asked for when the wait begins, and sees what is not well yet.
    let player = Player::new(r#"case "$1" in patch) [ "$(count patch)" -ge 2 ] && become after ;; esac"#);
    player.says("app", &application("Synced", "Degraded", None, json!({})));
    player.says("after", &application("Synced", "Healthy", None, json!({})));
    let job = player.job(&core_payload("wait", json!({})));
    assert_eq!(run(&job).await.unwrap().metadata["health_status"], "Healthy");
    let refresh = json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "normal" } } });
    assert_eq!(documents(&player), [refresh.clone(), refresh]);
}
