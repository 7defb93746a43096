//! An argocd that is slow, wrong, noisy or not there, and an Argo CD that takes its time.

use executor_api::{ExecutorError, LogStream};
use serde_json::json;

use crate::player::{Player, TOKEN, application, payload, run};

pub(crate) async fn failure(player: &Player, action: &str) -> String {
    run(&player.job(&payload(action, json!({})))).await.unwrap_err().to_string()
}

/// A sync that goes through all its phases: each look sees the next.
fn moving() -> Player {
    let player = Player::new(
        r#"case "$tool $1 $2" in
"argocd app sync") become asked; exit ;;
"argocd app get") n=$(count get); if [ -e "$here/tag" ] && [ -e "$here/after-$n" ]; then become "after-$n"; fi ;;
esac"#,
    );
    let deployment = |status: &str, message: &str| {
        json!({ "resources": [{ "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "Synced",
                                "health": { "status": status, "message": message } }] })
    };
    player.says("app", &application("OutOfSync", "Missing", None, json!({})));
    player.says("asked", &application("OutOfSync", "Missing", Some("Running"), json!({})));
    player.says("after-3", &application("OutOfSync", "Missing", Some("Running"), deployment("Progressing", "0 of 1")));
    player
        .says("after-4", &application("Synced", "Progressing", Some("Succeeded"), deployment("Progressing", "0 of 1")));
    player.says("after-7", &application("Synced", "Healthy", Some("Succeeded"), deployment("Healthy", "")));
    player
}

#[tokio::test]
async fn a_sync_is_followed_to_its_healthy_end() {
    let player = moving();
    let options = json!({ "prune": true, "force": true, "revision": "main", "server": "argocd.example.com:8443/argo", "grpc_web": true });
    let job = player.job(&payload("sync", options));
    let outcome = run(&job).await.unwrap();
    assert_eq!(job.commits(), 1);
    assert_eq!(player.changes(), ["app sync"]);
    let metadata = &outcome.metadata;
    assert_eq!((&metadata["sync_status"], &metadata["health_status"]), (&json!("Synced"), &json!("Healthy")));
    assert_eq!((&metadata["revision"], &metadata["operation"]["phase"]), (&json!("r1"), &json!("Succeeded")));
    assert_eq!(metadata["url"], "https://argocd.example.com:8443/argo/applications/argocd/web");
    assert_eq!(metadata["resources"][0]["health"], "Healthy");
    let id = job.context.job().id.clone();
    let call = player.call("app sync");
    for arg in [
        "--async",
        "--prune",
        "--force",
        "--revision=main",
        "--server=argocd.example.com:8443",
        "--grpc-web",
        "--grpc-web-root-path=/argo",
        &format!("--info=alethia-job={id}.1"),
    ] {
        assert!(call.iter().any(|one| one == arg), "{arg} in {call:?}");
    }
    assert_eq!(call[call.len() - 2..], ["--", "argocd/web"]);
    let system = String::from_utf8(job.log_of(LogStream::System)).unwrap();
    let expected = [
        "Deployment x/web: Progressing: 0 of 1",
        "operation Running: it is Running",
        "operation Succeeded: it is Succeeded",
        "web is OutOfSync, Missing",
        "web is Synced, Healthy",
        "Deployment x/web: Healthy",
    ];
    for line in expected {
        assert_eq!(system.lines().filter(|one| *one == line).count(), 1, "{line:?} in {system}");
    }
}

#[tokio::test]
async fn a_sync_ends_with_its_operation_if_nobody_wants_to_wait() {
    for more in [
        json!({ "wait": false }),
        json!({ "dry_run": true }),
        json!({ "resources": [{ "kind": "Service", "name": "a" }] }),
    ] {
        let player = moving();
        player.says("after-7", &application("Synced", "Degraded", Some("Succeeded"), json!({})));
        let outcome = run(&player.job(&payload("sync", more.clone()))).await.unwrap();
        assert_eq!(outcome.metadata["operation"]["phase"], "Succeeded", "{more}");
    }
}

#[tokio::test]
async fn the_token_is_in_the_environment_and_nothing_of_the_runner_is() {
    let player = Player::new("");
    let job = player.builder(&payload("status", json!({}))).settings(|settings| {
        for (name, value) in [
            ("ARGOCD_OPTS", "--insecure"),
            ("ARGOCD_SERVER", "elsewhere.example"),
            ("ARGOCD_AUTH_TOKEN", "stolen"),
            ("ARGOCD_CONFIG_DIR", "/elsewhere"),
            ("KUBECONFIG", "/elsewhere"),
        ] {
            settings.env.insert(name.to_owned(), value.to_owned());
        }
    });
    let job = job.build().unwrap();
    run(&job).await.unwrap();
    let env = player.read("env");
    for gone in ["insecure", "elsewhere", "stolen"] {
        assert!(!env.contains(gone), "{gone} in {env}");
    }
    let config = format!("ARGOCD_CONFIG_DIR={}/argocd", job.context.paths().home.display());
    for there in [format!("ARGOCD_AUTH_TOKEN={TOKEN}"), config] {
        assert!(env.lines().any(|line| line == there), "{there} in {env}");
    }
    assert!(!format!("{:?}", player.calls()).contains(TOKEN));
}

#[tokio::test]
async fn a_token_never_reaches_the_log_or_an_error() {
    let player = Player::new(&format!("case $2 in get) echo {TOKEN} >&2; fatal 'bad token {TOKEN}' ;; esac"));
    let job = player.job(&payload("status", json!({})));
    let text = job.context.log().masked(&run(&job).await.unwrap_err().to_string());
    assert!(text.contains("bad token ***"), "{text}");
    assert!(job.log().contains("***") && !job.log().contains(TOKEN), "{}", job.log());
}

#[tokio::test]
async fn a_program_that_is_not_our_argocd_is_refused() {
    for (test, expected) in [
        ("case $1 in version) echo rubbish; exit ;; esac", "does not answer as argocd does; is it the real program?"),
        ("case $1 in version) echo 'argocd: v3.2.5'; exit 1 ;; esac", "does not answer as argocd does"),
        ("case $1 in version) kill -9 $$ ;; esac", "does not answer as argocd does"),
        (
            "case $1 in version) echo 'argocd: v2.14.0'; exit ;; esac",
            "needed is argocd >=3, <4, and the runner has argocd 2.14.0",
        ),
        (
            "case $1 in version) echo 'argocd: v4.0.0'; exit ;; esac",
            "`alethia tools install argocd@VERSION` there puts one",
        ),
    ] {
        let player = Player::new(test);
        let text = failure(&player, "status").await;
        assert!(text.contains(expected), "{test}: {text}");
        assert_eq!(player.calls().len(), 1, "nothing is asked of it");
    }
    let player = Player::new("case $1 in version) yes error | head -c 3000000 >&2 ;; esac");
    for fits in [">=3.2", "*"] {
        run(&player.job(&payload("status", json!({ "argocd_version": fits })))).await.unwrap();
    }
    let text =
        run(&player.job(&payload("status", json!({ "argocd_version": ">=3.5" })))).await.unwrap_err().to_string();
    assert!(text.contains("needed is argocd >=3.5, >=3, <4, and the runner has argocd 3.2.5"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_argocd_that_hangs_on_version_is_given_up() {
    // The clock runs on its own while nothing else does: ten seconds are over at once.
    let player = Player::new("case $1 in version) sleep 600 ;; esac");
    let text = failure(&player, "status").await;
    assert!(text.contains("`argocd version` did not answer within 10 s"), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_said_so() {
    for answer in ["rubbish", "", "[1]", "{\"status\":7}"] {
        let player = Player::new("");
        player.says("app", answer);
        let text = failure(&player, "sync").await;
        assert!(text.starts_with("`argocd app get` does not answer as argocd does: "), "{answer}: {text}");
        assert_eq!(player.changes(), [""; 0], "nothing is changed by a program that we do not understand");
    }
}

#[tokio::test]
async fn refusals_say_whose_fault_it_is() {
    for (message, expected) in [
        (
            "rpc error: code = Unauthenticated desc = invalid session: token has expired",
            "/auth: Argo CD does not know us: token has expired",
        ),
        (
            "rpc error: code = PermissionDenied desc = permission denied",
            "/application: argocd app get failed with exit code 20: permission denied",
        ),
        ("x509: certificate signed by unknown authority", "`tls.ca_certificate`"),
    ] {
        let player = Player::new(&format!("case $2 in get) fatal '{message}' ;; esac"));
        let text = failure(&player, "sync").await;
        assert!(text.contains(expected), "{text}");
        assert_eq!(player.changes(), [""; 0]);
        assert!(!text.contains("trying again"));
    }
}

#[tokio::test]
async fn a_job_that_may_not_change_anything_changes_nothing() {
    let source = json!({ "repo": "https://git.example/a", "path": "." });
    for payload in [
        payload("sync", json!({})),
        payload("delete", json!({})),
        payload("app", json!({ "spec": { "source": source, "destination": {} } })),
        payload("project", json!({ "application": null, "project": { "name": "p" } })),
        payload("repo", json!({ "application": null, "repository": { "url": "https://git.example/a" } })),
    ] {
        let player = Player::new("");
        let job = player.builder(&payload).refuse_commit().build().unwrap();
        assert!(matches!(run(&job).await, Err(ExecutorError::CommitRefused(_))), "{payload}");
        assert_eq!(player.changes(), [""; 0], "{payload}");
    }
}

#[tokio::test]
async fn reading_passes_no_commit_point() {
    for action in ["status", "wait"] {
        let player = Player::new("");
        player.says("app", &application("Synced", "Healthy", None, json!({})));
        let job = player.job(&payload(action, json!({})));
        run(&job).await.unwrap();
        assert_eq!(job.commits(), 0, "{action}");
    }
}

#[tokio::test]
async fn an_operation_that_fails_names_what_failed() {
    let player = Player::new("");
    let results = json!([
        { "kind": "Service", "namespace": "x", "name": "web", "status": "Synced" },
        { "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "SyncFailed", "message": "field is\nimmutable" },
        { "group": "batch", "kind": "Job", "namespace": "x", "name": "migrate", "hookType": "PreSync", "hookPhase": "Failed", "message": "exit 3" },
    ]);
    let state = json!({ "operationState": { "phase": "Failed", "message": "one or more objects failed to apply",
                        "operation": { "info": [{ "name": "alethia-job", "value": "@TAG@" }] }, "syncResult": { "resources": results } } });
    player.says("after", &application("OutOfSync", "Degraded", None, state));
    let job = player.job(&payload("sync", json!({})));
    let error = run(&job).await.unwrap_err();
    assert!(matches!(&error, ExecutorError::Unsuccessful(_)));
    let expected = "the sync of web ended as Failed: one or more objects failed to apply\n  Deployment x/web: field is immutable\n  \
                    Job x/migrate (PreSync hook): exit 3";
    assert_eq!(error.to_string(), expected);
    assert_eq!(job.progress()["operation"]["phase"], "Failed");
    assert_eq!(job.progress()["health_status"], "Degraded");
}

#[tokio::test]
async fn what_never_gets_healthy_fails_with_how_it_was_last() {
    let resources = json!({ "resources": [{ "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "Synced",
                            "health": { "status": "Progressing", "message": "exceeded its progress deadline" } }],
                            "conditions": [{ "type": "SharedResourceWarning", "message": "shared" }] });
    for (health, action) in [("Progressing", "wait"), ("Unknown", "wait"), ("Degraded", "sync")] {
        let player = Player::new("");
        player.says("app", &application("Synced", health, None, resources.clone()));
        player.says("after", &application("Synced", health, Some("Succeeded"), resources.clone()));
        let job = player.job(&payload(action, json!({ "timeout": "1s" })));
        let text = run(&job).await.unwrap_err().to_string();
        let expected = format!(
            "web is not synced and healthy after 1s: it is Synced, {health}\n  SharedResourceWarning: shared\n  \
                                Deployment x/web: Progressing: exceeded its progress deadline"
        );
        assert_eq!(text, expected);
        assert_eq!(job.progress()["health_status"], health);
    }
}

#[tokio::test]
async fn what_must_be_pruned_is_said_at_once() {
    let player = Player::new("");
    let resources = json!({ "resources": [{ "kind": "Secret", "namespace": "x", "name": "old", "status": "OutOfSync", "requiresPruning": true }] });
    player.says("after", &application("OutOfSync", "Healthy", Some("Succeeded"), resources));
    let text = failure(&player, "sync").await;
    assert_eq!(
        text,
        "the sync left resources that are no longer in the source; say `prune` to delete them\n  \
                      Secret x/old: OutOfSync: is no longer in the source"
    );
}

#[tokio::test]
async fn a_look_that_fails_for_a_while_is_taken_again() {
    let player = Player::new(
        r#"case "$2" in get) n=$(count get); case $n in 4|5) fatal "rpc error: code = Unavailable desc = connection refused" ;; esac ;; esac"#,
    );
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    let job = player.job(&payload("sync", json!({})));
    run(&job).await.unwrap();
    assert_eq!(job.log().matches("looking again for up to").count(), 1, "{}", job.log());
}

#[tokio::test]
async fn a_lost_answer_starts_nothing_twice() {
    let player = Player::new(
        r#"case "$2" in sync) become after; fatal "rpc error: code = Unavailable desc = error reading from server: EOF" ;; esac"#,
    );
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    let job = player.job(&payload("sync", json!({})));
    run(&job).await.unwrap();
    assert_eq!(player.changes(), ["app sync"]);
    assert!(job.log().contains("trying again in 5 s"));
}

#[tokio::test]
async fn an_operation_of_others_is_waited_for() {
    let player = Player::new(
        r#"case "$2" in
sync) if [ ! -e $here/once ]; then touch $here/once; cp $here/others $here/app
      fatal "rpc error: code = FailedPrecondition desc = another operation is already in progress"; fi ;;
get) [ -e $here/once ] && [ "$(count busy)" = 3 ] && cp $here/idle $here/app ;;
esac"#,
    );
    player.says("others", r#"{"metadata":{"name":"web","namespace":"argocd"},"operation":{"sync":{}}}"#);
    player.says("idle", &application("OutOfSync", "Healthy", None, json!({})));
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    let job = player.job(&payload("sync", json!({})));
    run(&job).await.unwrap();
    assert_eq!(player.changes(), ["app sync", "app sync"]);
    assert!(job.log().contains("another operation goes on; waiting for its end"));
    assert!(!job.log().contains("trying again"));
}

#[tokio::test]
async fn an_operation_of_others_that_does_not_end_ends_the_job() {
    let player = Player::new("");
    player.says("app", r#"{"metadata":{"name":"web","namespace":"argocd"},"operation":{"sync":{}}}"#);
    let job = player.job(&payload("sync", json!({ "timeout": "1s" })));
    let text = run(&job).await.unwrap_err().to_string();
    assert_eq!(text, "another operation on web did not end within 1s");
    assert_eq!((job.commits(), player.changes().len()), (0, 0));
}

#[tokio::test]
async fn a_status_is_told_to_a_person_too() {
    let player = Player::new("");
    let resources =
        json!({ "resources": [{ "kind": "Pod", "namespace": "x", "name": "a", "health": { "status": "Degraded" } }] });
    player.says("app", &application("OutOfSync", "Degraded", None, resources));
    let job = player.job(&payload("status", json!({})));
    run(&job).await.unwrap();
    assert_eq!(job.log(), "Pod x/a: Degraded\nweb is OutOfSync, Degraded\n");
}

#[tokio::test]
async fn a_wait_that_the_job_would_not_live_to_see_is_refused() {
    let player = moving();
    let text = run(&player.job(&payload("sync", json!({ "timeout": "2h" })))).await.unwrap_err().to_string();
    assert!(text.starts_with("/timeout: these 7200s are longer than the job itself may run, 3600s"), "{text}");
    assert_eq!(player.calls().len(), 0);
}
