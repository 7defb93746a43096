//! A plane of the seed's contract.

use super::*;

#[tokio::test]
async fn a_plane_of_the_seeds_contract_gets_text_in_order() {
    let plane = Plane::new(|name, before| match name {
        "logs" if before % 2 == 0 => Weather::Answer(503),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stderr, b"two \0 \xff\n");
    job.log(LogStream::System, b"three\n");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let posts = [("STDOUT", "one\n"), ("STDERR", "two \u{fffd} \u{fffd}\n"), ("SYSTEM", "three\n")];
    assert_eq!(stored.posts, posts.map(|(stream, text)| (stream.to_owned(), text.to_owned())));
    let statuses: Vec<_> = stored.reports.iter().map(|report| report["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["PROCESSING", "SUCCESS"], "the first brings the metadata");
    for field in ["phase", "reason", "log", "finished_at"] {
        assert!(stored.reports.iter().all(|report| report[field].is_null()), "{field} is none of the seed's");
    }
}

/// It has no guard: a job that it has the end of would run again, and be given to others.
#[tokio::test]
async fn an_end_that_the_seeds_plane_may_have_already_is_not_taken_back() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::LostAfter,
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    job.log(LogStream::Stdout, b"one\n");
    job.end_with(Map::new());
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert!(is_taken(&job.deliver_to(&plane).await), "as after a restart");
    let stored = plane.stored();
    assert!(stored.reports.len() >= 3 && stored.reports.iter().all(|report| report["status"] == "SUCCESS"));
}

#[tokio::test]
async fn a_chunk_that_the_seeds_plane_refuses_costs_itself() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("logs", 1..4) => Weather::Answer(400),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Seed);
    for text in ["one\n", "two\n", "three\n"] {
        job.log(LogStream::Stdout, text.as_bytes());
    }
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.posts.iter().map(|(_, text)| text.as_str()).collect::<String>(), "one\nthree\n");
    assert_eq!(stored.reports.last().unwrap()["status"], "SUCCESS");
}

/// To a write it answers 500; whose the job is, it says only if it is asked.
#[tokio::test]
async fn a_job_that_a_plane_of_the_seeds_contract_has_given_away_is_let_go() {
    for (status, owner, reason, runner_is) in [
        ("QUEUED", Value::Null, Reason::LeaseLost, RunnerStatus::Online),
        ("QUEUED", Value::Null, Reason::ToolFailed, RunnerStatus::Draining),
        ("PROCESSING", json!("another"), Reason::ToolFailed, RunnerStatus::Online),
        ("CLAIMED", json!("another"), Reason::ToolFailed, RunnerStatus::Online),
    ] {
        let plane = Plane::new(|name, _| if name == "j" { Weather::Fine } else { Weather::Answer(500) });
        plane.stored().job = json!({ "id": "j", "job_type": "test", "status": status, "worker_id": owner });
        let job = Run::new(Dialect::Seed);
        stand_in_outcome::write_refused(&job.directory, &(reason, "it ended".to_owned())).unwrap();
        let runner = Arc::new(job.runner(&plane.listen().await).await);
        runner.status.send_replace(runner_is);
        let (id, attempt) = (job.claimed.job.id.clone(), job.claimed.job.attempt_no());
        let orders = runner.held.hold(&id, attempt, &job.directory);
        let claimed = Arc::new(job.claimed);
        let attended = dispatch::attend(Arc::clone(&runner), job.directory.clone(), claimed, None, None, orders);
        tokio::time::timeout(TOO_LONG, attended).await.expect("it does not try for ever");
        assert!(!runner.held.holds(&id, attempt), "its slot is free");
    }
}

#[tokio::test]
async fn an_end_that_nobody_elses_run_comes_before_waits_for_the_plane_of_the_seeds_contract() {
    // The second is given to us again: then it takes what we say.
    for (status, owner) in [("PROCESSING", json!("r")), ("QUEUED", Value::Null)] {
        let plane = Plane::new(|name, before| match (name, before) {
            ("j", 1) => Weather::Answer(500),
            ("status", 0..5) => Weather::Answer(500),
            _ => Weather::Fine,
        });
        plane.stored().job = json!({ "id": "j", "job_type": "test", "status": status, "worker_id": owner });
        let job = Run::new(Dialect::Seed);
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        assert_eq!(plane.stored().count("j"), 3);
    }
}
