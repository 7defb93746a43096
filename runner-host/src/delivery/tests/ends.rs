//! Commit points, ends, and what begins after them.

use super::*;

#[tokio::test]
async fn a_runner_without_room_asks_for_no_job_beside_a_report() {
    for has_room in [true, false] {
        let plane = Plane::new(|_, _| Weather::Fine);
        let job = Run::new(Dialect::Two);
        job.end();
        let runner = job.runner(&plane.listen().await).await;
        if !has_room {
            std::fs::remove_dir(&runner.jobs_dir).unwrap();
        }
        let (_process, lives) = watch::channel(Life::Ended);
        assert!(is_taken(&run(&runner, &job.directory, &job.claimed, lives).await));
        assert_eq!(plane.stored().reports[0]["next"].is_object(), has_room);
    }
}

/// The clock stands still.
#[tokio::test(start_paused = true)]
async fn a_report_that_waited_asks_for_no_job_if_the_disk_is_full_by_then() {
    let plane =
        Plane::new(|name, before| if (name, before) == ("status", 0) { Weather::Busy(20) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    job.end();
    let runner = job.runner(&plane.listen().await).await;
    let disk_fills = async {
        while plane.stored().count("status") == 0 {
            tokio::task::yield_now().await;
        }
        std::fs::remove_dir(&runner.jobs_dir).unwrap();
    };
    let (_process, lives) = watch::channel(Life::Ended);
    let (delivered, ()) = tokio::join!(run(&runner, &job.directory, &job.claimed, lives), disk_fills);
    assert!(is_taken(&delivered));
    assert!(plane.stored().reports[0]["next"].is_null());
}

#[tokio::test]
async fn metadata_that_the_plane_refuses_costs_itself_and_not_the_result() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::Answer(422),
        ("status", 1) => Weather::Answer(413),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.progress(1, "too large");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert_eq!((&end["status"], &end["execution_metadata"]), (&json!("SUCCESS"), &Value::Null));
    let said = end["error_message"].as_str().unwrap();
    assert!(said.contains("its metadata could not be stored") && said.contains("no status"), "{said}");
}

#[tokio::test]
async fn a_refused_commit_point_is_written_down_after_the_orders_are_heard() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("status", 0) => Weather::Answer(409),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.directory.write(COMMIT, &Map::new()).unwrap();
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
    assert!(committed.refused.is_some_and(|why| why.contains("no status")));
    assert_eq!(plane.stored().calls, ["status", "heartbeat", "status"]);
}

#[tokio::test]
async fn nobody_is_asked_for_a_process_that_waits_no_more() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.directory.write(COMMIT, &Map::new()).unwrap();
    let (_leader, identity) = session_in(job.folder.path(), "read -r line <gate");
    job.directory.place("process.json", &identity).unwrap();
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let orders = runner.held.hold(&job.claimed.job.id, job.claimed.job.attempt_no(), &job.directory);
    let attended = dispatch::attend(runner, job.directory.clone(), Arc::new(job.claimed), None, None, orders);
    let tools_end = async {
        plane.log_came.notified().await;
        tokio::fs::write(job.folder.path().join("gate"), "go\n").await.unwrap();
    };
    tokio::time::timeout(TOO_LONG, async { tokio::join!(attended, tools_end) }).await.expect("it ends with its tools");
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert_eq!((&end["status"], &end["phase"]), (&json!("FAILED"), &json!("preparing")));
}

/// A plane may be slow to take a log, or have no room for it; it can still say yes.
#[tokio::test]
async fn the_commit_point_does_not_wait_for_the_log() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("log", 0..3) => Weather::Answer(507),
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.end();
    let asks_while_the_log_waits = async {
        while plane.stored().count("log") == 0 {
            tokio::task::yield_now().await;
        }
        job.directory.write(COMMIT, &Map::new()).unwrap();
    };
    let delivered = job.deliver_until(&plane, |directory| directory.has(COMMITTED));
    let (delivered, ()) = tokio::join!(delivered, asks_while_the_log_waits);
    assert!(is_taken(&delivered));
    let stored = plane.stored();
    let last_log = stored.calls.iter().rposition(|call| call == "log").unwrap();
    let yes = stored.calls.iter().position(|call| call == "status").unwrap();
    assert!(yes < last_log, "{:?}", stored.calls);
    assert_eq!(stored.log, b"one\n");
}

#[tokio::test]
async fn a_process_that_left_no_outcome_is_reported_with_all_that_it_wrote() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"last words\n");
    job.directory.write(COMMITTED, &Committed { refused: None }).unwrap();
    stand_in_outcome::complete(&job.directory, &job.claimed.job.id).await;
    let delivered = job.deliver_to(&plane).await;
    assert!(matches!(delivered, Delivered::All(Taken { status: JobStatus::Failed, .. })));
    let stored = plane.stored();
    assert_eq!(stored.log, b"last words\n");
    let end = &stored.reports[0];
    assert_eq!(end["reason"], serde_json::to_value(Reason::ProcessLost).unwrap());
    assert!(end["error_message"].as_str().unwrap().contains("nobody knows how far it came"), "{end}");
}

/// It knows no attempts: a job whose end it did not take, it gives again under the same number.
#[tokio::test]
async fn what_was_run_here_past_its_commit_point_is_not_run_again() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let job = Run::new(Dialect::Seed);
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let earlier = JobDirectory::of(&runner.jobs_dir, &job.claimed);
    earlier.create(&job.claimed).unwrap();
    earlier.write(COMMITTED, &Committed { refused: None }).unwrap();
    let kept = earlier.put_away(false).unwrap().unwrap();
    let claim: Claim = serde_json::from_value(json!({ "job": job.claimed.job })).unwrap();
    assert!(dispatch::run_claim(Arc::clone(&runner), claim).await.is_none());
    assert!(!earlier.root().exists() && kept.exists() && runner.held.count() == 0);
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    let why = end["error_message"].as_str().unwrap();
    assert!(end["status"] == "FAILED" && why.contains(&kept.display().to_string()), "{end}");
}

/// Its claim was not acknowledged in time, and the plane has given it to another runner.
#[tokio::test]
async fn what_is_never_to_run_again_does_not_begin_when_it_is_anothers() {
    let plane = Plane::new(|name, _| if name == "status" { Weather::Answer(409) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    let runner = Arc::new(job.runner(&plane.listen().await).await);
    let claim: Claim = serde_json::from_value(json!({
        "job": { "id": "k", "job_type": "once", "status": "CLAIMED", "attempt": 1 },
    }))
    .unwrap();
    assert!(dispatch::run_claim(Arc::clone(&runner), claim).await.is_none());
    assert_eq!(plane.stored().calls, ["status"], "that it runs, and nothing else");
    assert_eq!((runner.held.count(), runner.jobs_dir.read_dir().unwrap().count()), (0, 0), "nothing ran");
}
