//! Workloads that come about, and those that do not.

use executor_api::{ExecutorError, StopReason};
use serde_json::{Value, json};

use crate::cluster::{in_namespace, run_and_stop, stack};

/// No node is like that.
fn stuck(deadline_s: u32) -> Value {
    let mut stack = stack(1, "a", "hunter2-hunter2");
    let text = stack["manifests"]["inline"].as_str().unwrap();
    let text = text.replace("progressDeadlineSeconds: 600", &format!("progressDeadlineSeconds: {deadline_s}"));
    let text = text.replace("spec: { containers", "spec: { nodeSelector: { no: node }, containers");
    stack["manifests"]["inline"] = json!(text);
    stack
}

#[tokio::test]
async fn an_apply_can_wait_until_all_is_rolled_out() {
    in_namespace(async |it| {
        let mut fields = stack(2, "a", "hunter2-hunter2");
        fields["wait"] = json!(true);
        let (answer, job) = it.run("apply", &fields).await;
        let rollout = &answer["rollouts"][0];
        assert_eq!((&rollout["resource"], &rollout["name"]), (&json!("deployment.apps"), &json!("web")));
        assert_eq!((&rollout["complete"], &rollout["desired"]), (&json!(true), &json!(2)));
        assert_eq!((&rollout["updated"], &rollout["available"]), (&json!(2), &json!(2)));
        assert!(job.log().contains("successfully rolled out"), "{}", job.log());

        let (again, job) = it.run("rollout_status", &json!({ "resources": ["deployment/web"] })).await;
        assert_eq!((&again["rollouts"], job.commits()), (&answer["rollouts"], 0));
    })
    .await;
}

#[tokio::test]
async fn a_rollout_that_never_gets_ready_says_how_far_it_is() {
    in_namespace(async |it| {
        let mut patient = stuck(600);
        patient["wait"] = json!(true);
        patient["timeout"] = json!("1s");
        let (error, job) = it.fail("apply", &patient).await;
        assert!(error.to_string().contains("timed out waiting for the condition"), "{error}");
        assert_eq!(
            (&job.progress()["created"], &job.progress()["rollouts"][0]["complete"]),
            (&json!(3), &json!(false))
        );

        it.run("apply", &stuck(1)).await;
        let (error, job) = it.fail("rollout_status", &json!({ "resources": ["deployment/web"] })).await;
        let text = error.to_string();
        assert!(text.contains("deployment.apps/web is not rolled out: 1 of 1 updated, 0 available"), "{text}");
        assert!(text.contains("exceeded its progress deadline") && text.contains("ProgressDeadlineExceeded"), "{text}");
        let conditions = &job.progress()["rollouts"][0]["conditions"];
        assert_eq!(conditions[1]["reason"], "ProgressDeadlineExceeded");
    })
    .await;
}

#[tokio::test]
async fn a_cancel_in_mid_rollout_says_how_far_it_is() {
    in_namespace(async |it| {
        let mut fields = stuck(600);
        fields["wait"] = json!(true);
        let job = it.job("apply", &fields);
        let ended = run_and_stop(&job, "Waiting for deployment").await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
        let progress = job.progress();
        assert_eq!(progress["created"], 3);
        assert_eq!(
            (&progress["rollouts"][0]["name"], &progress["rollouts"][0]["complete"]),
            (&json!("web"), &json!(false))
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_rolled_out_is_refused() {
    in_namespace(async |it| {
        let (error, _) = it.fail("rollout_status", &json!({ "resources": ["deployment/nowhere"] })).await;
        assert!(error.to_string().contains("deployments.apps \"nowhere\" not found"), "{error}");
        let config = json!({ "manifests": { "inline": "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n" } });
        let (error, _) = it.fail("rollout_status", &config).await;
        assert!(error.to_string().starts_with("/manifests: there is no Deployment"), "{error}");
    })
    .await;
}
