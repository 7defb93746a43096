//! A job that is asked to stop, or is late: no operation of ours goes on unseen.

use std::time::Duration;

use executor_api::{ExecutorError, StopReason};
use serde_json::json;

use crate::player::{Player, application, payload, run, run_and_stop};

/// A sync that would run for ever, until somebody terminates it.
const ENDLESS: &str = r#"case "$2" in
sync) become running; exit ;;
get) [ -e $here/tag ] && [ "$(count get)" -ge 2 ] && touch $here/ready ;;
terminate-op) become terminated; echo "Application 'web' operation terminating" ;;
esac"#;

fn endless(script: &str) -> Player {
    let player = Player::new(script);
    player.says("running", &application("OutOfSync", "Missing", Some("Running"), json!({})));
    player.says("terminated", &application("OutOfSync", "Missing", Some("Failed"), json!({})));
    player
}

#[tokio::test]
async fn a_cancel_terminates_the_operation_and_says_how_it_is_left() {
    let player = endless(ENDLESS);
    let job = player.job(&payload("sync", json!({})));
    let ended = run_and_stop(&player, &job, false).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
    assert_eq!(player.changes(), ["app sync", "app terminate-op"]);
    let call = player.call("app terminate-op");
    assert_eq!(call[call.len() - 2..], ["--", "argocd/web"]);
    let log = job.log();
    for line in [
        "terminating the sync of web",
        "Application 'web' operation terminating",
        "the sync ended as Failed: it is Failed; web is left OutOfSync, Missing",
    ] {
        assert!(log.contains(line), "{line:?} in {log}");
    }
    assert_eq!(job.progress()["operation"]["phase"], "Failed");
}

#[tokio::test]
async fn a_deaf_argocd_does_not_keep_the_operation_going() {
    let deaf = r#"case "$2" in get) if [ -e $here/tag ] && [ ! -e $here/ready ]; then trap '' INT TERM; touch $here/ready; sleep 600 & wait; wait; fi ;; esac
"#;
    let player = endless(&format!("{deaf}{ENDLESS}"));
    let job = player.builder(&payload("sync", json!({}))).grace(Duration::from_millis(100)).build().unwrap();
    job.stop.stop(executor_api::Stop { reason: StopReason::RunnerShutdown, force: false });
    let ended = run(&job).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::RunnerShutdown))), "nothing is begun after a stop");
    assert_eq!(player.calls().len(), 0);

    let job = player.builder(&payload("sync", json!({}))).grace(Duration::from_millis(100)).build().unwrap();
    // Force: SIGKILL at once, for nobody wants to wait for a program that hears nothing.
    let ended = run_and_stop(&player, &job, true).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(_))), "{ended:?}");
    assert_eq!(player.changes(), ["app sync", "app terminate-op"]);
    assert!(job.log().contains("web is left OutOfSync, Missing"), "{}", job.log());
}

#[tokio::test]
async fn a_request_that_was_cut_off_is_looked_for() {
    // It is cut off while it runs; whether it was heard, only the application tells.
    for (heard, changes, line) in [
        ("become running;", &["app sync", "app terminate-op"][..], "the sync ended as Failed"),
        ("", &["app sync"], "no sync of this job goes on; web is left"),
    ] {
        let player = endless(&format!(
            r#"case "$2" in sync) {heard} touch $here/ready; sleep 600 & wait $!; exit 1 ;; terminate-op) become terminated ;; esac"#
        ));
        let job = player.job(&payload("sync", json!({})));
        let ended = run_and_stop(&player, &job, false).await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(_))), "{ended:?}");
        assert_eq!(player.changes(), changes);
        assert!(job.log().contains(line), "{line:?} in {}", job.log());
    }
}

#[tokio::test]
async fn the_operation_of_others_is_not_ended() {
    let player = endless(&ENDLESS.replace("become running", "cp $here/others $here/app"));
    let info = r#"[{"name":"alethia-job","value":"somebody.1"}]"#;
    player.says("others", &format!(r#"{{"metadata":{{"name":"web"}},"operation":{{"info":{info}}},"status":{{"operationState":{{"phase":"Running","operation":{{"info":{info}}}}}}}}}"#));
    let job = player.job(&payload("sync", json!({})));
    run_and_stop(&player, &job, false).await.unwrap_err();
    assert_eq!(player.changes(), ["app sync"]);
    assert!(job.log().contains("no sync of this job goes on"), "{}", job.log());
}

#[tokio::test]
async fn a_termination_that_is_refused_is_tried_again_and_said() {
    let player = endless(&format!(
        r#"case "$2" in terminate-op) [ "$(count terminate)" = 1 ] && fatal "Unable to terminate operation. No operation is in progress" ;; esac
{ENDLESS}"#
    ));
    let job = player.job(&payload("sync", json!({})));
    run_and_stop(&player, &job, false).await.unwrap_err();
    assert_eq!(player.changes(), ["app sync", "app terminate-op", "app terminate-op"]);
    assert!(job.log().contains("Unable to terminate operation"), "{}", job.log());
    assert!(job.log().contains("the sync ended as Failed"), "{}", job.log());
}

#[tokio::test]
async fn an_operation_that_is_late_is_terminated() {
    let player = endless(ENDLESS);
    let job = player.job(&payload("sync", json!({ "timeout": "1s" })));
    let text = run(&job).await.unwrap_err().to_string();
    assert_eq!(text, "the sync of web is not over after 1s, and is terminated\n  operation Running: it is Running");
    assert_eq!(player.changes(), ["app sync", "app terminate-op"]);

    // It comes to its own end, and is not said to be terminated.
    let player = endless(&ENDLESS.replace("become terminated; echo", "become terminated; fatal no; echo"));
    let text = run(&player.job(&payload("sync", json!({ "timeout": "1s" })))).await.unwrap_err().to_string();
    assert_eq!(text, "the sync of web is not over after 1s\n  operation Running: it is Running");
}

#[tokio::test]
async fn an_operation_that_cannot_be_ended_is_said_with_the_remedy() {
    let player = endless(&ENDLESS.replace("become terminated;", "fatal no;"));
    let job = player.job(&payload("sync", json!({})));
    run_and_stop(&player, &job, true).await.unwrap_err();
    assert!(job.log().contains("it may go on in Argo CD; `argocd app terminate-op web` ends it"), "{}", job.log());
}

#[tokio::test]
async fn a_wait_that_is_cancelled_leaves_the_operation_to_others() {
    let player = Player::new("case $2 in get) [ \"$(count get)\" = 3 ] && touch $here/ready ;; esac");
    player.says("app", &application("OutOfSync", "Progressing", None, json!({})));
    let job = player.job(&payload("wait", json!({})));
    let ended = run_and_stop(&player, &job, false).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(_))), "{ended:?}");
    assert_eq!(player.changes(), [""; 0]);
    assert_eq!(job.progress()["health_status"], "Progressing");
}
