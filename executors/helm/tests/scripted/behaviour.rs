//! A helm that is slow, noisy, wrong or not there.

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, LogStream, Outcome, Stop, StopReason};
use serde_json::json;

use crate::player::{Player, history, listed, payload, run, upgrade};

async fn failure(player: &Player) -> String {
    run(&player.job(&upgrade(json!({})))).await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_upgrade_says_all_that_it_found() {
    let player = Player::new("case $1 in upgrade) echo 'Release \"web\" does not exist. Installing it now.' ;; esac");
    player.says(
        "status",
        r#"{"version":1,"info":{"status":"deployed","notes":"hello","description":"job x","resources":
        {"v1/ConfigMap":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"team"}}]}}}"#,
    );
    let job =
        player.job(&upgrade(json!({ "values": { "a": 1 }, "wait": true, "timeout": "90s", "create_namespace": true })));
    let outcome = run(&job).await.unwrap();
    assert_eq!(job.commits(), 1);
    let metadata = &outcome.metadata;
    assert_eq!((&metadata["revision"], &metadata["status"]), (&json!(1), &json!("deployed")));
    assert_eq!(
        (&metadata["chart"], &metadata["chart_version"], &metadata["app_version"]),
        (&json!("web"), &json!("1.0.0"), &json!("9"))
    );
    assert_eq!((&metadata["notes"], &metadata["ready"]), (&json!("hello"), &json!(true)));
    assert_eq!(metadata["resources"][0]["kind"], "ConfigMap");
    let call = player.call("upgrade");
    let id = job.context.job().id.clone();
    for arg in [
        "--install",
        "--reset-values",
        "--namespace=team",
        "--timeout=90s",
        "--wait",
        "--create-namespace",
        &format!("--labels=alethia-job={id},alethia-attempt=1,alethia-revision=1"),
        &format!("--description=job {id}, attempt 1"),
    ] {
        assert!(call.iter().any(|one| one == arg), "{arg} in {call:?}");
    }
    assert!(!call.iter().any(|one| one == "--atomic" || one.starts_with("--set") || one.starts_with("--post")));
    assert_eq!(call[call.len() - 3..call.len() - 1], ["--", "web"]);
    assert!(call.last().unwrap().starts_with('/'), "{call:?}");
    assert!(String::from_utf8(job.log_of(LogStream::Stdout)).unwrap().contains("Installing it now."));
}

#[tokio::test]
async fn nothing_of_the_runner_reaches_helm() {
    let player = Player::new("");
    let job = player.builder(&upgrade(json!({}))).settings(|settings| {
        for (name, value) in [
            ("HELM_KUBETOKEN", "stolen"),
            ("HELM_KUBEAPISERVER", "https://elsewhere.example"),
            ("HELM_NAMESPACE", "kube-system"),
            ("HELM_PLUGINS", "/plugins"),
            ("HELM_DEBUG", "1"),
            ("HELM_DRIVER", "configmap"),
            ("KUBECONFIG", "/elsewhere"),
        ] {
            settings.env.insert(name.to_owned(), value.to_owned());
        }
    });
    let job = job.build().unwrap();
    run(&job).await.unwrap();
    let env = player.read("env");
    let home = job.context.paths().home.display().to_string();
    for gone in ["stolen", "elsewhere", "kube-system", "=/plugins", "HELM_DEBUG"] {
        assert!(!env.contains(gone), "{gone} in {env}");
    }
    for there in ["HELM_DRIVER=configmap", "HELM_NO_PLUGINS=1", &format!("HELM_PLUGINS={home}/helm/plugins")] {
        assert!(env.lines().any(|line| line == there), "{there} in {env}");
    }
    assert_eq!(std::fs::read_dir(job.context.paths().home.join("helm/plugins")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_program_that_is_not_our_helm_is_refused() {
    for (test, expected) in [
        ("case $1 in version) echo rubbish; exit ;; esac", "does not answer as helm does; is it the real program?"),
        ("case $1 in version) printf v3.22.0; exit 1 ;; esac", "does not answer as helm does"),
        ("case $1 in version) kill -9 $$ ;; esac", "does not answer as helm does"),
        ("case $1 in version) printf v4.0.1; exit ;; esac", "needed is helm >=3.14, <4, and the runner has helm 4.0.1"),
        (
            "case $1 in version) printf v3.2.0; exit ;; esac",
            "`alethia tools install helm@VERSION` there puts one beside it",
        ),
    ] {
        let player = Player::new(test);
        let text = failure(&player).await;
        assert!(text.contains(expected), "{test}: {text}");
        assert_eq!(player.verbs(), [""; 0], "nothing is asked of it");
    }
    let player = Player::new("case $1 in version) yes error | head -c 3000000 >&2 ;; esac");
    run(&player.job(&upgrade(json!({})))).await.unwrap();
}

#[tokio::test]
async fn an_installed_version_stands_in_for_one_that_is_not_ours() {
    let usual = Player::new("case $1 in version) printf v4.0.1; exit ;; esac");
    let (old, fitting) = (Player::new("case $1 in version) printf v3.16.0; exit ;; esac"), Player::new(""));
    let tools = tempfile::tempdir().unwrap();
    for (version, player) in [("3.16.0", &old), ("3.22.0", &fitting), ("4.0.1", &usual)] {
        let folder = tools.path().join("helm").join(version);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(player.file("helm"), folder.join("helm")).unwrap();
    }
    for (more, taken) in [(json!({}), &fitting), (json!({ "helm_version": "<3.20" }), &old)] {
        let job = usual.builder(&upgrade(more)).settings(|settings| settings.tools_dir = Some(tools.path().to_owned()));
        let job = job.build().unwrap();
        run(&job).await.unwrap();
        assert!(job.log().contains(", and the runner has helm 4.0.1"), "{}", job.log());
        assert_eq!(taken.verbs().iter().filter(|verb| *verb == "upgrade").count(), 1);
        assert_eq!(usual.verbs(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_helm_that_hangs_on_version_is_given_up() {
    // The clock runs on its own while nothing else does: ten seconds are over at once.
    let player = Player::new("case $1 in version) sleep 600 ;; esac");
    let text = failure(&player).await;
    assert!(text.contains("`helm version` did not answer within 10 s"), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_said_so() {
    let player = Player::new("");
    player.says("state", "rubbish");
    let text = failure(&player).await;
    assert!(text.starts_with("`helm list` does not answer as helm does: "), "{text}");
    assert_eq!(player.verbs(), ["list"], "nothing is changed by a program that we do not understand");
}

#[tokio::test]
async fn all_that_a_noisy_helm_prints_is_kept() {
    let player = Player::new("case $1 in upgrade) yes line | head -n 200000; yes bad | head -n 100000 >&2 ;; esac");
    let job = player.job(&upgrade(json!({})));
    run(&job).await.unwrap();
    assert_eq!(job.log_of(LogStream::Stdout).len(), 200_000 * 5);
    assert_eq!(job.log_of(LogStream::Stderr).len(), 100_000 * 4);
}

#[tokio::test]
async fn a_job_that_may_not_change_anything_changes_nothing() {
    let player = Player::new("");
    let job = player.builder(&upgrade(json!({}))).refuse_commit().build().unwrap();
    assert!(matches!(run(&job).await, Err(ExecutorError::CommitRefused(_))));
    assert_eq!(player.verbs(), ["list"]);
}

#[tokio::test]
async fn reading_passes_no_commit_point() {
    let player = Player::new("");
    player.says("state", &listed(1, "deployed"));
    for action in ["status", "diff"] {
        let payload =
            if action == "diff" { upgrade(json!({ "action": "diff" })) } else { payload(action, json!({}), json!({})) };
        player.says("test", r#"case $1 in upgrade) printf '{"version":2}'; exit ;; esac"#);
        let job = player.job(&payload);
        run(&job).await.unwrap();
        assert_eq!(job.commits(), 0, "{action}");
    }
}

/// Fails once with `error`, and records a revision before that if `touched`.
fn fails_once(error: &str, touched: bool) -> Player {
    let record = if touched { "cp $here/after $here/state;" } else { "" };
    let player = Player::new(&format!(
        "case $1 in upgrade) if [ ! -e $here/once ]; then touch $here/once; {record} echo 'Error: {error}' >&2; exit 1; fi ;; esac"
    ));
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "failed"));
    player
}

#[tokio::test]
async fn what_goes_away_by_itself_is_tried_again_while_nothing_changed() {
    let busy = "Kubernetes cluster unreachable: dial tcp 127.0.0.1:1: connect: connection refused";
    let player = fails_once(busy, false);
    let job = player.job(&upgrade(json!({})));
    run(&job).await.unwrap();
    assert_eq!(player.verbs().iter().filter(|verb| *verb == "upgrade").count(), 2);
    assert_eq!(job.commits(), 1);
    assert!(job.log().contains("release team/web is as it was: deployed at revision 3"), "{}", job.log());
    assert!(job.log().contains("trying again in 5 s"));

    for player in [fails_once(busy, true), fails_once("template: web: bad", false)] {
        let job = player.job(&upgrade(json!({})));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.starts_with("helm upgrade failed with exit code 1: Error: "), "{text}");
        assert_eq!(player.verbs().iter().filter(|verb| *verb == "upgrade").count(), 1, "{text}");
    }
    let touched = fails_once(busy, true);
    let job = touched.job(&upgrade(json!({})));
    let text = run(&job).await.unwrap_err().to_string();
    assert!(text.contains("release team/web is now failed at revision 4"), "{text}");
    assert_eq!((&job.progress()["status"], &job.progress()["revision"]), (&json!("failed"), &json!(4)));
}

#[tokio::test]
async fn a_success_stays_one_when_it_cannot_be_looked_at() {
    let player = Player::new("case $1 in status) echo 'Error: no' >&2; exit 1 ;; esac");
    let job = player.job(&upgrade(json!({})));
    let Outcome { metadata } = run(&job).await.unwrap();
    assert_eq!((&metadata["status"], &metadata["ready"]), (&json!("deployed"), &json!(null)));
    assert!(job.log().contains("it is done, but how release team/web is now cannot be read"));
}

#[tokio::test]
async fn a_release_that_is_not_there_is_nothing_to_take_away() {
    let player = Player::new("");
    let job = player.job(&payload("uninstall", json!({}), json!({})));
    assert_eq!(run(&job).await.unwrap().metadata["uninstalled"], false);
    assert_eq!((job.commits(), player.verbs()), (0, vec!["list".to_owned()]));
    for action in ["rollback", "test"] {
        let text = run(&player.job(&payload(action, json!({}), json!({})))).await.unwrap_err().to_string();
        assert_eq!(text, "/release: there is no release team/web", "{action}");
    }
    let status = run(&player.job(&payload("status", json!({}), json!({})))).await.unwrap();
    assert_eq!((&status.metadata["status"], &status.metadata["revision"]), (&json!("absent"), &json!(null)));
}

#[tokio::test]
async fn a_rollback_goes_to_what_ran() {
    let player = Player::new("");
    player.says("state", &listed(4, "failed"));
    player.says("history", &history(&[(1, "superseded"), (2, "deployed"), (3, "failed"), (4, "failed")]));
    run(&player.job(&payload("rollback", json!({}), json!({ "wait": true })))).await.unwrap();
    let call = player.call("rollback");
    assert_eq!(call[call.len() - 3..], ["--", "web", "2"]);
    let text =
        run(&player.job(&payload("rollback", json!({}), json!({ "revision": 9 })))).await.unwrap_err().to_string();
    assert_eq!(text, "/revision: release team/web has no such revision; it has 1, 2, 3, 4");
}

#[tokio::test]
async fn a_test_that_fails_is_named_and_not_run_again() {
    let player = Player::new("case $1 in test) echo 'Error: i/o timeout' >&2; exit 1 ;; esac");
    player.says("state", &listed(1, "deployed"));
    player.says(
        "status",
        r#"{"version":1,"info":{"status":"deployed"},"hooks":[
        {"name":"smoke","events":["test"],"last_run":{"phase":"Failed"}},
        {"name":"other","events":["test"],"last_run":{"phase":"Succeeded"}},
        {"name":"migrate","events":["pre-upgrade"],"last_run":{"phase":"Failed"}}]}"#,
    );
    let job = player.job(&payload("test", json!({}), json!({})));
    let text = run(&job).await.unwrap_err().to_string();
    assert!(text.contains("failed: smoke"), "{text}");
    assert!(!text.contains("other") && !text.contains("migrate"), "{text}");
    assert_eq!(player.verbs().iter().filter(|verb| *verb == "test").count(), 1);
    player.says("status", r#"{"version":1}"#);
    let none = player.job(&payload("test", json!({}), json!({})));
    assert_eq!(run(&none).await.unwrap().metadata["tests"], json!([]));
    assert_eq!(none.commits(), 0);
}

/// Runs until the script has made the file `ready`, then asks for a stop.
pub(crate) async fn run_and_stop(player: &Player, job: &TestJob, reason: StopReason) -> Result<Outcome, ExecutorError> {
    let ready = player.file("ready");
    let stopper = async {
        while !ready.exists() {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        job.stop.stop(Stop { reason, force: false });
    };
    tokio::join!(run(job), stopper).0
}

#[tokio::test]
async fn a_stop_sends_one_sigint_and_says_how_the_release_is() {
    let player = Player::new(
        "case $1 in upgrade) trap 'echo INT >> $here/signals; cp $here/after $here/state; exit 1' INT; touch $here/ready; \
         sleep 600 & wait $!; exit 1 ;; esac",
    );
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "failed"));
    let job = player.job(&upgrade(json!({})));
    let ended = run_and_stop(&player, &job, StopReason::CancelledByUser).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
    assert_eq!(player.read("signals"), "INT\n");
    assert!(job.log().contains("release team/web is now failed at revision 4"), "{}", job.log());
    assert_eq!(job.progress()["status"], "failed");
}

#[tokio::test]
async fn what_another_attempt_holds_is_left_to_it() {
    let player = Player::new(
        "case $1 in upgrade) trap 'cp $here/after $here/state; exit 1' INT; touch $here/ready; sleep 600 & wait $!; exit 1 ;; esac",
    );
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "pending-upgrade"));
    let job = player.job(&upgrade(json!({})));
    let ended = run_and_stop(&player, &job, StopReason::LeaseLost).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::LeaseLost))), "{ended:?}");
    assert_eq!(player.verbs(), ["list", "upgrade"]);
    assert!(job.log().contains("is left to the attempt that holds the job now"));
}

#[tokio::test]
async fn a_wait_that_the_job_would_not_live_to_see_is_refused() {
    let player = Player::new("");
    let fields = upgrade(json!({ "wait": true, "timeout": "2h" }));
    let text = run(&player.job(&fields)).await.unwrap_err().to_string();
    assert!(text.starts_with("/timeout: these 7200s are longer than the job itself may run, 1800s"), "{text}");
    assert_eq!(player.calls().len(), 0);
    let job = player.builder(&fields).job(|job| job.timeout_s = Some(7500)).build().unwrap();
    run(&job).await.unwrap();
}
