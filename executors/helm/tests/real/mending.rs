//! A helm that was cut off: what it leaves pending, and who may mend it.

use std::time::Duration;

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, Stop, StopReason};
use serde_json::{Value, json};

use crate::charts::{merged, with_values};
use crate::cluster::{Namespace, in_namespace, run};

/// An upgrade that waits for ever.
fn stuck(more: Value) -> Value {
    let values = json!({ "unschedulable": true, "image": "2" });
    let fields = with_values(values, json!({ "wait": true, "timeout": "10m" }));
    merged(fields.as_object().cloned().unwrap_or_default(), more)
}

/// Starts the job and kills it, with its helm, in the middle of that revision: as a machine that loses its power does.
async fn killed_at(namespace: &Namespace, job: &TestJob, revision: u32) {
    tokio::select! {
        ended = run(job) => panic!("it ended: {ended:?}\n{}", job.log()),
        () = namespace.wait_for_revision(revision) => {}
    }
}

/// Starts the job and cancels it in the middle of that revision.
async fn cancelled_at(namespace: &Namespace, job: &TestJob, revision: u32) {
    let cancel = async {
        namespace.wait_for_revision(revision).await;
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    };
    let (ended, ()) = tokio::join!(run(job), cancel);
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}\n{}", job.log());
}

/// The next attempt of a job, with another payload.
fn next_attempt(namespace: &Namespace, of: &TestJob, more: Value) -> TestJob {
    let id = of.context.job().id.clone();
    let change = move |job: &mut executor_api::Job| {
        job.id = id;
        job.attempt = 2;
    };
    namespace.builder("upgrade", more).job(change).build().unwrap()
}

#[tokio::test]
async fn the_next_attempt_mends_an_upgrade_that_was_cut_off() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        let dead = namespace.job("upgrade", stuck(json!({})));
        killed_at(&namespace, &dead, 2).await;
        assert_eq!(namespace.status().await, ("pending-upgrade".to_owned(), json!(2)));

        let unwanted = next_attempt(&namespace, &dead, with_values(json!({}), json!({ "recover_pending": false })));
        let text = run(&unwanted).await.unwrap_err().to_string();
        assert!(text.contains("web is pending-upgrade since 20"), "{text}");

        let next =
            next_attempt(&namespace, &dead, with_values(json!({ "greeting": "mended" }), json!({ "wait": true })));
        let outcome = run(&next).await.unwrap_or_else(|error| panic!("{error}\n{}", next.log()));
        assert_eq!((&outcome.metadata["revision"], &outcome.metadata["status"]), (&json!(4), &json!("deployed")));
        assert!(next.log().contains("web back to revision 1"), "{}", next.log());
        assert_eq!(next.commits(), 2, "before it mends, and again before the upgrade");
    })
    .await;
}

#[tokio::test]
async fn a_retry_mends_a_first_install_that_was_cut_off() {
    in_namespace(async |namespace| {
        let dead = namespace.job("upgrade", stuck(json!({})));
        killed_at(&namespace, &dead, 1).await;
        assert_eq!(namespace.status().await, ("pending-install".to_owned(), json!(1)));
        let retried = dead.context.job().id.to_string();
        let retry = namespace.builder("upgrade", with_values(json!({}), json!({ "wait": true })));
        let retry = retry.job(|job| job.execution_metadata = Some(json!({ "retry_of": retried }))).build().unwrap();
        let outcome = run(&retry).await.unwrap_or_else(|error| panic!("{error}\n{}", retry.log()));
        assert_eq!((&outcome.metadata["revision"], &outcome.metadata["ready"]), (&json!(1), &json!(true)));
        assert!(retry.log().contains("was ever deployed; uninstalling it"), "{}", retry.log());
    })
    .await;
}

#[tokio::test]
async fn what_others_left_pending_is_refused_until_a_person_says_so() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        let other = namespace.job("upgrade", stuck(json!({})));
        killed_at(&namespace, &other, 2).await;
        let job = namespace.job("upgrade", with_values(json!({}), json!({})));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.starts_with("/release: release "), "{text}");
        assert!(
            text.contains("by another job, which the label alethia-job of secret sh.helm.release.v1.web.v2"),
            "{text}"
        );
        assert!(text.ends_with("roll it back with the action rollback and revision 1"), "{text}");
        assert_eq!(job.commits(), 0);
        let text = run(&namespace.job("diff", with_values(json!({}), json!({})))).await.unwrap_err().to_string();
        assert!(text.contains("is pending-upgrade since"), "{text}");

        let back = namespace.run("rollback", json!({ "revision": 1 })).await;
        assert_eq!((&back["status"], &back["revision"]), (&json!("deployed"), &json!(3)));

        // By hand, on top of ours: our labels are handed on to it, and it is still not ours.
        let chart = tempfile::tempdir().unwrap();
        for (name, text) in crate::charts::web() {
            let file = chart.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let flag = format!("--namespace={}", namespace.name);
        let chart = chart.path().to_str().unwrap();
        let by_hand = ["upgrade", "web", chart, &flag, "--set=unschedulable=true,image=3", "--wait", "--timeout=10m"];
        tokio::select! {
            finished = namespace.tool("helm", &by_hand) => panic!("it ended: {finished:?}"),
            () = namespace.wait_for_revision(4) => {}
        }
        let next = next_attempt(&namespace, &other, with_values(json!({}), json!({})));
        let text = run(&next).await.unwrap_err().to_string();
        assert!(text.contains("(revision 4), not by a job of this system"), "{text}");
        assert_eq!(namespace.run("uninstall", json!({ "wait": true })).await["uninstalled"], true);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_upgrade_is_failed_and_can_go_on() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        let job = namespace.job("upgrade", stuck(json!({})));
        cancelled_at(&namespace, &job, 2).await;
        assert!(job.log().contains("web is now failed at revision 2"), "{}", job.log());
        assert_eq!(namespace.status().await, ("failed".to_owned(), json!(2)));
        assert_eq!(namespace.run("upgrade", with_values(json!({}), json!({}))).await["revision"], 3);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_atomic_upgrade_is_rolled_back_and_a_first_one_is_gone() {
    in_namespace(async |namespace| {
        let first = namespace.job("upgrade", stuck(json!({ "atomic": true })));
        cancelled_at(&namespace, &first, 1).await;
        assert!(first.log().contains("web is as it was: absent"), "{}", first.log());

        namespace.run("upgrade", with_values(json!({}), json!({ "wait": true }))).await;
        let second = namespace.job("upgrade", stuck(json!({ "atomic": true })));
        cancelled_at(&namespace, &second, 2).await;
        assert!(second.log().contains("web is now deployed at revision 3"), "{}", second.log());
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_rollback_is_brought_to_what_ran() {
    in_namespace(async |namespace| {
        let never = with_values(json!({ "unschedulable": true }), json!({}));
        namespace.run("upgrade", never).await;
        namespace.run("upgrade", with_values(json!({}), json!({ "wait": true }))).await;
        // It waits for ever. Helm has no ear for signals there: it dies of the first.
        let job = namespace.builder("rollback", json!({ "revision": 1, "wait": true, "timeout": "10m" }));
        let job = job.grace(Duration::from_secs(5)).build().unwrap();
        cancelled_at(&namespace, &job, 3).await;
        assert!(job.log().contains("web was left pending-rollback at revision 3"), "{}", job.log());
        assert!(job.log().contains("web is now deployed at revision 4"), "{}", job.log());
        assert_eq!(namespace.run("status", json!({})).await["ready"], true);
    })
    .await;
}
