//! A kubectl that hangs, prints rubbish, is killed, or floods.

use executor_api::{ExecutorError, StopReason};
use serde_json::json;

use crate::player::{Player, apply, payload, run, run_and_stop};

#[tokio::test]
async fn a_kubectl_that_hangs_is_stopped_and_the_job_says_what_is_known() {
    // Deaf to SIGINT, with a grandchild that keeps its output open.
    let player = Player::new("case $1 in apply) trap '' INT; touch $here/ready; sleep 600 & wait; wait ;; esac");
    let job = player.job(&apply(&json!({})));
    let ended = run_and_stop(&player, &job).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
    assert_eq!(job.progress()["objects"], json!([]));
    let verbs: Vec<_> = player.calls().into_iter().map(|call| call[0].clone()).collect();
    assert_eq!(verbs, ["get", "apply", "get"], "after the stop it is looked at what was done");
}

#[tokio::test]
async fn a_delete_that_is_cancelled_tells_what_it_took_away_from_what_was_never_there() {
    let there = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"namespace\":\"team\"}}";
    let delete = "trap 'exit 130' INT; touch $here/ready; sleep 600 & wait";
    let resources = json!({ "resources": ["cm/a", "cm/never"] });
    for (after, known) in [
        ("exit 0", json!([["configmap", "a", "deleted"], ["cm", "never", "absent"]])),
        // What cannot be looked at is not said to be gone.
        ("echo 'Unable to connect to the server' >&2; exit 1", json!([])),
    ] {
        let get = format!("[ -e $here/ready ] || {{ printf '{there}'; exit; }}; {after}");
        let player = Player::new(&format!("case $1 in get) {get} ;; delete) {delete} ;; esac"));
        let job = player.job(&payload("delete", &resources));
        let ended = run_and_stop(&player, &job).await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
        let progress = job.progress();
        let objects = progress["objects"].as_array().unwrap().iter();
        let objects: Vec<_> = objects.map(|one| json!([one["resource"], one["name"], one["change"]])).collect();
        assert_eq!(
            (json!(objects), &progress["deleted"]),
            (known.clone(), &json!(known.as_array().unwrap().len() / 2))
        );
    }
}

#[tokio::test]
async fn rubbish_is_not_believed() {
    for rubbish in ["", "{", "[]", "null", "\\377\\376", "{\"items\":[]}", "<html>"] {
        let player = Player::new(&format!("case $1 in get) printf '{rubbish}'; exit 0 ;; esac"));
        let ended = run(&player.job(&payload("get", &json!({ "resources": ["pods"] })))).await;
        match ended {
            Ok(outcome) => assert!(rubbish.is_empty() && outcome.metadata["count"] == 0, "{rubbish:?}"),
            Err(error) => assert!(error.to_string().contains("is it the real program?"), "{rubbish:?}: {error}"),
        }
    }
    let player = Player::new("case $1 in apply) echo nonsense; echo '/ created'; exit 0 ;; esac");
    let outcome = run(&player.job(&apply(&json!({})))).await.unwrap();
    assert_eq!(outcome.metadata["created"], 0);
    assert_eq!(outcome.metadata["objects"][0]["change"], "skipped");
}

#[tokio::test]
async fn a_kubectl_that_is_killed_has_failed() {
    let player = Player::new("case $1 in apply) echo 'configmap/a serverside-applied'; kill -9 $$ ;; esac");
    let job = player.job(&apply(&json!({})));
    let error = run(&job).await.unwrap_err();
    assert!(error.to_string().starts_with("kubectl apply failed with killed by signal 9"), "{error}");
    assert_eq!(job.progress()["objects"][0]["name"], "a");
    assert_eq!(job.commits(), 1);
}

#[tokio::test]
async fn a_flood_of_errors_is_all_in_the_log_and_short_in_the_message() {
    let flood = "case $1 in apply) i=0; while [ $i -lt 20000 ]; do echo \"error: line $i\" >&2; i=$((i+1)); done; exit 1 ;; esac";
    let player = Player::new(flood);
    let job = player.job(&apply(&json!({})));
    let text = run(&job).await.unwrap_err().to_string();
    assert!(text.contains("error: line 19999") && text.lines().count() < 40, "{text}");
    assert_eq!(job.log().lines().filter(|line| line.starts_with("error: line ")).count(), 20_000);
}

#[tokio::test]
async fn a_refused_commit_point_changes_nothing() {
    for fields in [apply(&json!({})), payload("delete", &json!({ "resources": ["pod/a"] }))] {
        let player = Player::new("");
        let program = player.file("kubectl");
        let job = executor_api::testing::TestJob::builder("kubectl", &fields)
            .settings(|settings| drop(settings.tools.insert("kubectl".to_owned(), program)))
            .refuse_commit();
        let ended = run(&job.build().unwrap()).await;
        assert!(matches!(ended, Err(ExecutorError::CommitRefused(_))), "{ended:?}");
        assert!(player.calls().iter().all(|call| call[0] == "get"), "{:?}", player.calls());
    }
}

#[tokio::test]
async fn only_the_job_says_how_kubectl_behaves() {
    let player = Player::new("");
    let job = player.job(&apply(&json!({})));
    run(&job).await.unwrap();
    let env = player.read("env");
    let has = |line: &str| env.lines().any(|one| one == line);
    assert!(has("KUBECTL_KUBERC=false") && has("KUBERC=off"), "{env}");
    let home = job.context.paths().home.display().to_string();
    assert!(has(&format!("HOME={home}")));
    assert!(env.lines().any(|line| line.starts_with(&format!("KUBECONFIG={home}/"))), "{env}");
    assert!(!env.contains("of-the-operator"), "{env}");
    for call in player.calls() {
        assert!(call[1].starts_with(&format!("--kubeconfig={home}/")), "{call:?}");
        assert_eq!(call[2], format!("--cache-dir={home}/kubectl-cache"));
    }
}

#[tokio::test]
async fn a_version_that_is_wanted_and_not_there_is_named() {
    let player = Player::new("");
    let wants = |version: &str| payload("get", &json!({ "resources": ["pods"], "version": version }));
    run(&player.job(&wants(">=1.32, <2"))).await.unwrap();
    let error = run(&player.job(&wants(">=1.90"))).await.unwrap_err().to_string();
    assert!(error.contains("wants kubectl >=1.90 and the runner has 1.32.4-dispatcher"), "{error}");
    let odd = Player::new("case $1 in version) echo what; exit 0 ;; esac");
    let error = run(&odd.job(&wants(">=1.32"))).await.unwrap_err().to_string();
    assert!(error.contains("is it the real program?"), "{error}");
}

#[tokio::test]
async fn a_wait_that_the_job_would_not_live_to_see_is_refused() {
    let player = Player::new("");
    for (timeout_s, timeout, is_good) in [
        (None, "30m", true),
        (None, "31m", false),
        (Some(7200), "2h", true),
        (Some(60), "61s", false),
        (Some(60), "60s", true),
    ] {
        let program = player.file("kubectl");
        let fields = apply(&json!({ "timeout": timeout }));
        let job = executor_api::testing::TestJob::builder("kubectl", &fields)
            .settings(|settings| drop(settings.tools.insert("kubectl".to_owned(), program)))
            .job(|job| job.timeout_s = timeout_s);
        let ended = run(&job.build().unwrap()).await.map(drop).map_err(|error| error.to_string());
        let is_refused = ended.as_ref().is_err_and(|text| text.starts_with("/timeout: these "));
        assert!(if is_good { ended.is_ok() } else { is_refused }, "{timeout_s:?} {timeout}: {ended:?}");
    }
}
