//! Releases that are pending: ours are mended, others' are refused.

use std::time::Duration;

use executor_api::{ExecutorError, StopReason};
use serde_json::json;

use crate::behaviour::run_and_stop;
use crate::player::{Player, history, listed, payload, run, upgrade};

/// Deaf to SIGINT, with a child that holds its output; it records a pending revision first.
const DEAF: &str = "case $1 in
upgrade) cp $here/after $here/state; trap '' INT; sleep 600 & echo $! > $here/grandchild; touch $here/ready; wait; wait ;;
rollback) cp $here/mended $here/state ;;
uninstall) echo '[]' > $here/state ;;
esac";

/// One that nobody has waited for yet is dead all the same.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_deaf_helm_is_ended_and_its_pending_upgrade_rolled_back() {
    let player = Player::new(DEAF);
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "pending-upgrade"));
    player.says("marked", &listed(4, "pending-upgrade")).says("mended", &listed(5, "deployed"));
    player.says("history", &history(&[(2, "superseded"), (3, "deployed"), (4, "pending-upgrade")]));
    let job = player.builder(&upgrade(json!({}))).grace(Duration::from_millis(200)).build().unwrap();
    let ended = run_and_stop(&player, &job, StopReason::CancelledByUser).await;
    assert!(matches!(ended, Err(ExecutorError::Stopped(_))), "{ended:?}");
    assert!(!is_alive(&player.read("grandchild")), "nothing of it is left");
    let call = player.call("rollback");
    assert_eq!(call[call.len() - 3..], ["--", "web", "3"]);
    for line in [
        "release team/web was left pending-upgrade at revision 4",
        "rolling release team/web back to revision 3",
        "release team/web is now deployed at revision 5",
    ] {
        assert!(job.log().contains(line), "{line} in {}", job.log());
    }
    assert_eq!((&job.progress()["status"], &job.progress()["revision"]), (&json!("deployed"), &json!(5)));
}

#[tokio::test]
async fn a_first_install_that_was_cut_off_is_taken_away() {
    let player = Player::new(DEAF);
    player.says("after", &listed(1, "pending-install")).says("marked", &listed(1, "pending-install"));
    player.says("history", &history(&[(1, "pending-install")]));
    let job = player.builder(&upgrade(json!({}))).grace(Duration::from_millis(200)).build().unwrap();
    run_and_stop(&player, &job, StopReason::TimedOut).await.unwrap_err();
    assert!(player.call("uninstall").contains(&"--wait".to_owned()));
    assert!(job.log().contains("no revision of release team/web was ever deployed; uninstalling it"), "{}", job.log());
    assert!(job.log().contains("release team/web is now absent"), "{}", job.log());
}

#[tokio::test]
async fn a_helm_that_dies_leaves_nothing_pending_either() {
    let player = Player::new(&DEAF.replace("trap '' INT;", "kill -9 $$;"));
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "pending-upgrade"));
    player.says("marked", &listed(4, "pending-upgrade")).says("mended", &listed(5, "deployed"));
    player.says("history", &history(&[(3, "deployed"), (4, "pending-upgrade")]));
    let text = run(&player.job(&upgrade(json!({})))).await.unwrap_err().to_string();
    assert!(text.contains("helm upgrade failed with killed by signal 9"), "{text}");
    assert!(text.contains("release team/web is now deployed at revision 5"), "{text}");
}

#[tokio::test]
async fn what_somebody_else_began_meanwhile_is_left_to_them() {
    let error = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress";
    let player =
        Player::new(&format!("case $1 in upgrade) cp $here/after $here/state; echo '{error}' >&2; exit 1 ;; esac"));
    player.says("state", &listed(3, "deployed")).says("after", &listed(4, "pending-upgrade"));
    let text = run(&player.job(&upgrade(json!({})))).await.unwrap_err().to_string();
    assert!(text.contains("is now pending-upgrade at revision 4; somebody else works on it"), "{text}");
    assert!(!player.verbs().contains(&"rollback".to_owned()));
}

#[tokio::test]
async fn a_rollback_whose_hook_fails_is_done_without_hooks() {
    let player = Player::new(
        "case $1 in
upgrade) kill -9 $$ ;;
rollback) case \"$*\" in *--no-hooks*) cp $here/mended $here/state; exit ;; *) exit 1 ;; esac ;;
esac",
    );
    player.says("state", &listed(4, "pending-upgrade")).says("marked", &listed(4, "pending-upgrade"));
    player.says("mended", &listed(6, "deployed")).says("history", &history(&[(3, "deployed"), (4, "pending-upgrade")]));
    run(&player.job(&upgrade(json!({})))).await.unwrap_err();
    let rollbacks: Vec<_> = player.calls().into_iter().filter(|call| call[0] == "rollback").collect();
    assert_eq!(rollbacks.len(), 2);
    assert!(rollbacks[1].contains(&"--no-hooks".to_owned()));
}

/// Mends as the script does, then upgrades.
fn pending_before(marked: bool) -> Player {
    let player = Player::new("case $1 in rollback) cp $here/mended $here/state ;; esac");
    player.says("state", &listed(4, "pending-upgrade")).says("mended", &listed(5, "deployed"));
    player.says("history", &history(&[(3, "deployed"), (4, "pending-upgrade")]));
    if marked {
        player.says("marked", &listed(4, "pending-upgrade"));
    }
    player
}

#[tokio::test]
async fn what_a_dead_attempt_of_this_job_left_is_mended_first() {
    let player = pending_before(true);
    let job = player.builder(&upgrade(json!({}))).job(|job| {
        job.attempt = 2;
        job.execution_metadata = Some(json!({ "retry_of": "job-before" }));
    });
    let job = job.build().unwrap();
    run(&job).await.unwrap();
    assert_eq!(player.verbs()[..6], ["list", "list", "history", "rollback", "list", "upgrade"]);
    let id = job.context.job().id.clone();
    let selector = format!("--selector=alethia-revision=4,alethia-job in ({id},job-before)");
    assert!(player.calls().iter().any(|call| call.contains(&selector)), "{:?}", player.calls());
    let mark = format!("--labels=alethia-job={id},alethia-attempt=2,alethia-revision=6");
    assert!(player.call("upgrade").contains(&mark));
    assert!(job.log().contains("an earlier attempt left release team/web pending-upgrade at revision 4"));
}

#[tokio::test]
async fn what_others_left_is_refused_with_who_when_and_the_remedy() {
    let foreign = pending_before(false);
    let unwanted = pending_before(true);
    for (player, more, who) in [
        (&foreign, json!({}), "not by a job of this system"),
        (&unwanted, json!({ "recover_pending": false }), "by another job, which the label alethia-job of secret"),
    ] {
        let job = player.job(&upgrade(more));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.starts_with("/release: release team/web is pending-upgrade since 2026-11-24 15:00:00"), "{text}");
        assert!(text.contains(who), "{text}");
        assert!(text.ends_with("roll it back with the action rollback and revision 3"), "{text}");
        assert_eq!(job.commits(), 0);
        assert!(!player.verbs().iter().any(|verb| verb == "rollback" || verb == "upgrade"));
    }
    let text = run(&foreign.job(&payload("rollback", json!({}), json!({})))).await.unwrap_err().to_string();
    assert!(text.starts_with("/release: release team/web is pending-upgrade"), "{text}");
    run(&foreign.job(&payload("rollback", json!({}), json!({ "revision": 3 })))).await.unwrap();
}

#[tokio::test]
async fn a_pending_rollback_is_said_to_be_nobodys_for_certain() {
    let player = pending_before(false);
    player.says("state", &listed(4, "pending-rollback"));
    let job = player.job(&upgrade(json!({})));
    let text = run(&job).await.unwrap_err().to_string();
    assert!(text.contains("(revision 4), by whom is not known, since a rollback carries no mark"), "{text}");
    assert!(text.ends_with("roll it back with the action rollback and revision 3"), "{text}");
    assert_eq!(job.commits(), 0);
}

#[tokio::test]
async fn a_mending_that_fails_is_not_called_another_jobs_doing() {
    let player = pending_before(true);
    player.says("test", "case $1 in rollback) cp $here/mended $here/state; exit 1 ;; esac");
    for (left, revision) in [("pending-upgrade", 4), ("pending-rollback", 5)] {
        player.says("state", &listed(4, "pending-upgrade")).says("mended", &listed(revision, left));
        let text = run(&player.job(&upgrade(json!({})))).await.unwrap_err().to_string();
        assert!(text.starts_with(&format!("release team/web is {left} since")), "{text}");
        assert!(text.contains(&format!("(revision {revision}), and mending it failed, as the log says")), "{text}");
        assert!(!player.verbs().contains(&"upgrade".to_owned()));
    }
}
