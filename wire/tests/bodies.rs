//! What the contract looks like: one snapshot per body, and what is read of other dialects.

use serde_json::{Value, json};
use wire::{Claim, ClaimRequest, Heartbeat, HeartbeatAnswer, Job, JobStatus, LogPost, LogStream, StatusReport};

fn job(body: Value) -> Job {
    serde_json::from_value(body).unwrap()
}

#[test]
fn a_claim_of_the_seed_reads_with_defaults() {
    let claim: Claim = serde_json::from_value(json!({
        "job": { "id": "0b1c", "job_type": "PLAN", "config_snapshot": { "project_name": "x" }, "status": "CLAIMED",
                 "worker_id": "w-1", "created_at": "2026-06-19 17:06:37.1+00", "claimed_at": "rubbish", "vine_id": "v",
                 "execution_metadata": null, "error_message": null },
        "cloud_identity": { "provider": "aws", "role_arn": "arn:aws:iam::123456789012:role/x", "external_id": "" }
    }))
    .unwrap();
    let job = claim.job.unwrap();
    assert_eq!(job.attempt_no().0, 1);
    assert_eq!(job.runner_id.unwrap().as_str(), "w-1");
    assert!(job.created_at.is_some());
    assert!(job.claimed_at.is_none(), "a time that informs and does not decide never fails the claim");
    assert_eq!(claim.cloud_identity.unwrap().provider, "aws");
}

#[test]
fn an_idle_answer_has_no_job() {
    for idle in [json!({ "job": null }), json!({})] {
        assert_eq!(serde_json::from_value::<Claim>(idle).unwrap(), Claim::default());
    }
}

#[test]
fn a_heartbeat_of_either_dialect_reads() {
    for body in [json!({}), json!({ "version": "1.2.3" }), json!({ "runner_id": "r", "providers": ["aws"] })] {
        serde_json::from_value::<Heartbeat>(body).unwrap();
    }
    let answer: HeartbeatAnswer = serde_json::from_value(json!({ "success": true, "cancelled_job_ids": [] })).unwrap();
    assert_eq!(answer.protocol, None);
}

#[test]
fn a_status_is_one_of_six_words() {
    for bad in ["success", "SUCCESS ", "", "DONE"] {
        assert!(serde_json::from_value::<JobStatus>(json!(bad)).is_err(), "{bad:?}");
    }
    for status in JobStatus::ALL {
        assert_eq!(status.as_str().parse::<JobStatus>().unwrap(), status);
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}

#[test]
fn what_we_send_is_the_seeds_spelling() {
    let report = StatusReport {
        error_message: Some("terraform failed with exit code 1".to_owned()),
        execution_metadata: Some(json!({ "plan_completed": false })),
        ..StatusReport::of(JobStatus::Failed)
    };
    insta::assert_json_snapshot!(report, @r#"
    {
      "status": "FAILED",
      "error_message": "terraform failed with exit code 1",
      "execution_metadata": {
        "plan_completed": false
      }
    }
    "#);
    let post = LogPost { log_chunk: "x\n".to_owned(), stream_type: LogStream::Stderr };
    insta::assert_json_snapshot!(post, @r#"
    {
      "log_chunk": "x\n",
      "stream_type": "STDERR"
    }
    "#);
    let heartbeat = Heartbeat { version: "0.1.0".to_owned(), ..Heartbeat::default() };
    insta::assert_json_snapshot!(heartbeat, @r#"
    {
      "status": "ONLINE",
      "current_job_id": null,
      "version": "0.1.0",
      "jobs": []
    }
    "#);
    insta::assert_json_snapshot!(ClaimRequest::default(), @r#"
    {
      "request_id": null,
      "wait_s": 0,
      "free_slots": 0,
      "kinds": null,
      "labels": {}
    }
    "#);
}

#[test]
fn a_job_shows_all_of_the_seeds_fields() {
    let shown = serde_json::to_value(job(json!({ "id": "j", "job_type": "PLAN", "status": "QUEUED" }))).unwrap();
    for field in [
        "id",
        "user_id",
        "org_id",
        "cloud_identity_id",
        "job_type",
        "config_snapshot",
        "configuration_hash",
        "status",
        "runner_id",
        "assigned_runner_id",
        "plan_job_id",
        "claimed_at",
        "started_at",
        "completed_at",
        "error_message",
        "execution_metadata",
        "created_at",
        "updated_at",
    ] {
        assert!(shown.get(field).is_some(), "{field}");
    }
}
