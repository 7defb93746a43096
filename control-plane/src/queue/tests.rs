//! A queue without HTTP before it: what no client can bring about.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use wire::{ClaimRequest, LossPolicy, RunnerStatus};

use super::counting::Counting;
use super::transitions::Event;
use super::*;
use crate::database::Database;
use crate::directory::{OldToken, Runner};
use crate::logs::LogLimits;

struct Opened {
    queue: Queue,
    database: Database,
    /// How often the store was.
    asked: Arc<AtomicUsize>,
    folder: TempDir,
}

/// One for which a runner is lost after a second, and given up after two.
async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
    let (deriver, asked) = (Deriver::of([7; 32]), Arc::default());
    let queue = Queue::new(QueueParts {
        store: Box::new(Counting { store: SqliteStore::new(database.clone()), asked: Arc::clone(&asked) }),
        logs: LogStore::open(&folder.path().join("logs"), LogLimits::default()).unwrap(),
        states: StateStore::new(&folder.path().join("states"), database.pool.clone()),
        directory: Directory::load(database.clone()).await.unwrap(),
        wake: Wake::default(),
        vault: Vault::new(&deriver).unwrap(),
        identities: Identities::new(database.clone()),
        deriver,
        timings: Timings { lease: Duration::from_secs(1), silence: Duration::from_secs(2), ..Timings::default() },
        linked: Vec::new(),
        runner_image: None,
        issues_tokens: false,
    });
    Opened { queue, database, asked, folder }
}

fn job(id: &str, more: &Value) -> Job {
    let now = Timestamp::now();
    let mut job = json!({ "id": id, "org_id": "o", "job_type": "k", "status": "QUEUED", "created_at": now,
                          "updated_at": now });
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(job).unwrap()
}

impl Opened {
    async fn runner(&self) -> Runner {
        self.online("one").await
    }

    async fn online(&self, name: &str) -> Runner {
        let mut runner = Runner::new("o".to_owned(), name.to_owned(), RunnerMode::SelfHosted, name);
        runner.said = RunnerStatus::Online;
        self.queue.0.directory.add_runner(runner.clone()).await.unwrap();
        runner
    }

    /// A job that a runner holds and has begun to apply.
    async fn running(&self, id: &str, runner: &Runner) -> Row {
        self.running_as(id, &json!({}), runner).await
    }

    async fn running_as(&self, id: &str, more: &Value, runner: &Runner) -> Row {
        let row = Row::new(job(id, more), LossPolicy::RequeueBeforeCommit);
        let take = self.queue.request(&claimant(runner), Some(id));
        let row = self.queue.0.store.insert(row, Some(take)).await.unwrap();
        let run = |row: &mut Row, _: Option<&mut Row>| {
            (row.confirmed, row.job.phase) = (true, wire::Phase::Committed);
            row.apply(Event::Run)
        };
        self.queue.change(&row.job.id, run).await.unwrap().0
    }
}

fn claim_request() -> ClaimRequest {
    ClaimRequest { request_id: Some("q".to_owned()), ..ClaimRequest::default() }
}

fn claimant(runner: &Runner) -> Claimant {
    Claimant::new(runner, &claim_request())
}

#[tokio::test]
async fn a_job_is_not_given_to_a_token_that_was_replaced_in_that_moment() {
    let plane = open().await;
    let (queue, directory) = (plane.queue.clone(), &plane.queue.0.directory);
    let runner = plane.online("one").await;
    let id = runner.id.clone();
    let request = ClaimRequest { wait_s: 60, ..claim_request() };
    let claim = tokio::spawn(async move { queue.claim(&runner, &request).await });
    let row = Row::new(job("j", &json!({})), LossPolicy::Requeue);
    let reserved = loop {
        match plane.queue.0.wake.reserve(&Offer::of(&row.job)) {
            Some(reserved) => break reserved,
            None => tokio::task::yield_now().await,
        }
    };
    let take = plane.queue.request(reserved.claimant(), reserved.request_id());
    let row = plane.queue.0.store.insert(row, Some(take)).await.unwrap();
    assert_eq!(row.job.status, JobStatus::Claimed);
    directory.replace_token(&id, "new", OldToken::Ends).await.unwrap();
    reserved.deliver(row);
    assert_eq!(claim.await.unwrap().unwrap().job, None);
}

#[tokio::test]
async fn a_claim_that_took_too_long_is_not_given_the_attempt_of_another() {
    let plane = open().await;
    let queue = &plane.queue;
    let row = Row::new(job("j", &json!({})), LossPolicy::Requeue);
    let id = queue.0.store.insert(row, None).await.unwrap().job.id;
    let claim = async |runner: &Runner| queue.claim(runner, &claim_request()).await.unwrap().job;
    let lose = async |seconds: i64| {
        queue.reap(in_seconds(seconds)).await.unwrap();
        queue.reap(in_seconds(seconds + 3)).await.unwrap();
    };
    let [first, slow, quick] = [plane.online("a").await, plane.online("b").await, plane.online("c").await];
    assert_eq!(claim(&first).await.unwrap().attempt, 1);
    lose(0).await;
    let turn = queue.turn_to_begin(&id);
    let held = turn.lock().await;
    let (claim_of_slow, claim_of_quick) = tokio::join!(claim(&slow), async {
        let attempt = async || queue.get(&id).await.unwrap().job.attempt;
        while attempt().await != 2 {}
        lose(600).await;
        let take = queue.request(&claimant(&quick), Some("q"));
        assert_eq!(queue.0.store.take(take).await.unwrap().unwrap().job.attempt, 3);
        drop(held);
        claim(&quick).await
    });
    assert_eq!(claim_of_slow, None);
    assert_eq!(claim_of_quick.unwrap().attempt, 3);
}

#[tokio::test]
async fn who_follows_a_job_from_an_old_look_sees_its_end() {
    let plane = open().await;
    let seen = plane.running("j", &plane.runner().await).await;
    let end = |row: &mut Row, _: Option<&mut Row>| row.apply(Event::End(JobStatus::Success));
    plane.queue.change(&seen.job.id, end).await.unwrap();
    let follower = plane.queue.follow_from(&seen).await.unwrap();
    assert_eq!(follower.borrow().status, JobStatus::Success);
}

#[tokio::test]
async fn who_is_taken_away_is_given_no_job_though_its_claim_waits_already() {
    let plane = open().await;
    let (queue, runner) = (&plane.queue, plane.runner().await);
    let parking = queue.0.wake.park(claimant(&runner), Some("q"));
    parking.rest();
    let key = wire::runner_key(&runner.id);
    let destroy = json!({ "job_type": "DESTROY_RUNNER", "config_snapshot": { "runner_id": runner.id },
                          "concurrency_key": key });
    let destroy = Row::new(job("destroy", &destroy), LossPolicy::RequeueBeforeCommit);
    let destroy = queue.0.store.insert(destroy, None).await.unwrap().job.id;
    let kind = json!({ "kind": "k", "summary": "s", "schema": {}, "loss": "requeue", "timeout_s": 1, "grace_s": 1 });
    let kept = queue.enqueue(job("j", &json!({})), &serde_json::from_value(kind).unwrap()).await.unwrap();
    assert_eq!(kept.status, JobStatus::Queued);
    let take = || queue.0.store.take(queue.request(&claimant(&runner), Some("q")));
    assert!(take().await.unwrap().is_none());
    queue.cancel(&destroy, false).await.unwrap();
    assert_eq!(take().await.unwrap().unwrap().job.id, kept.id, "it stays");
}

#[tokio::test]
async fn why_a_job_waits_is_asked_as_often_of_many_runners_as_of_one() {
    let plane = open().await;
    let row = Row::new(job("j", &json!({ "labels": { "zone": "nowhere" } })), LossPolicy::Requeue);
    let row = plane.queue.0.store.insert(row, None).await.unwrap();
    let asks = async |runners: usize| {
        let before = plane.asked.load(Ordering::SeqCst);
        assert_eq!(plane.queue.explain(&row).await.unwrap().runners.len(), runners);
        plane.asked.load(Ordering::SeqCst) - before
    };
    plane.runner().await;
    let of_one = asks(1).await;
    for name in ["two", "three", "four"] {
        plane.online(name).await;
    }
    assert_eq!(asks(4).await, of_one);
}

#[tokio::test]
async fn who_looks_for_a_job_keeps_nobody_from_writing() {
    let plane = open().await;
    let (store, runner) = (&plane.queue.0.store, plane.runner().await);
    let unfit = Row::new(job("unfit", &json!({ "labels": { "zone": "nowhere" } })), LossPolicy::Requeue);
    store.insert(unfit, None).await.unwrap();
    // The claim cannot look as long as nobody else has done reading.
    let pool = &plane.database.pool;
    let readers =
        futures_util::future::join_all((0..pool.options().get_max_connections()).map(|_| pool.acquire())).await;
    let mut claim = store.take(plane.queue.request(&claimant(&runner), Some("q")));
    let other = Row::new(job("other", &json!({ "org_id": "p" })), LossPolicy::Requeue);
    tokio::select! {
        biased;
        claimed = &mut claim => panic!("it was answered first: {claimed:?}"),
        kept = store.insert(other, None) => kept.unwrap(),
    };
    drop(readers);
    assert!(claim.await.unwrap().is_none());
}

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(Timestamp::now().as_micros() + seconds * 1_000_000)
}

#[tokio::test]
async fn what_cannot_be_read_of_a_lost_job_keeps_nobody_from_their_end() {
    let plane = open().await;
    let runner = plane.runner().await;
    for id in ["0", "1", "2", "3"] {
        plane.running(id, &runner).await;
    }
    let plan = Row::new(job("plan", &json!({})), LossPolicy::Requeue);
    plane.queue.0.store.insert(plan, None).await.unwrap();
    std::fs::create_dir_all(plane.folder.path().join("logs/1/index")).unwrap();
    for damage in [
        "UPDATE jobs SET labels = '{' WHERE id = 'plan'",
        "UPDATE jobs SET plan_job_id = 'plan' WHERE id = '0'",
        "INSERT INTO state_locks (org_id, name, lock_id, info, job_id, created_at) VALUES ('o', 's', 'l', '{', '2', 0)",
    ] {
        sqlx::query(damage).execute(&plane.database.pool).await.unwrap();
    }
    plane.queue.reap(in_seconds(0)).await.unwrap();
    plane.queue.reap(in_seconds(3)).await.unwrap();
    let status = async |id: &str| plane.queue.get(&id.parse().unwrap()).await.unwrap().job.status;
    assert_eq!(status("0").await, JobStatus::Processing, "nobody can change it: the plan that it applies is damaged");
    for id in ["1", "2", "3"] {
        assert_eq!(status(id).await, JobStatus::Failed, "{id}");
    }
}

#[tokio::test]
async fn a_plane_that_was_away_takes_no_job_from_anybody() {
    let plane = open().await;
    let row = plane.running("j", &plane.runner().await).await;
    let status = async || plane.queue.get(&row.job.id).await.unwrap().job.status;
    // Before the first look nobody knows for how long; then it sleeps.
    for seconds in [100, 700] {
        assert_eq!(plane.queue.reap(in_seconds(seconds)).await.unwrap(), 0);
        plane.queue.reap(in_seconds(seconds + 1)).await.unwrap();
        assert_eq!(status().await, JobStatus::Processing, "its lease has begun again");
    }
    plane.queue.reap(in_seconds(703)).await.unwrap();
    assert_eq!(status().await, JobStatus::Failed);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_lease_and_no_runner_last_for_hours() {
    let plane = open().await;
    let (queue, runner) = (&plane.queue, plane.runner().await);
    let row = plane.running("j", &runner).await;
    queue.sign_of_life(&row.job.id);
    let beat = |runner: &mut Runner| runner.last_heartbeat = Some(Timestamp::now());
    queue.0.directory.heard(&runner.id, beat, |_, _| false).await.unwrap();
    queue.reap(in_seconds(0)).await.unwrap();
    queue.reap(in_seconds(-7200)).await.unwrap();
    let status = |at: i64| {
        let runner = queue.0.directory.runner(&runner.id).unwrap();
        runner.status(in_seconds(at), Duration::from_secs(60))
    };
    assert_eq!((status(-7200 + 50), status(-7200 + 70)), (RunnerStatus::Online, RunnerStatus::Offline));
    queue.reap(in_seconds(-7200 + 3)).await.unwrap();
    assert_eq!(queue.get(&row.job.id).await.unwrap().job.status, JobStatus::Failed);
}

#[tokio::test]
async fn only_a_job_that_waits_again_counts_as_recovered() {
    let plane = open().await;
    let runner = plane.runner().await;
    let row = Row::new(job("j", &json!({})), LossPolicy::Requeue);
    let take = plane.queue.request(&claimant(&runner), Some("q"));
    let row = plane.queue.0.store.insert(row, Some(take)).await.unwrap();
    assert!(
        !plane.queue.carry_out(&Held::of(&row), reaper::Fate::Requeue, in_seconds(0)).await.unwrap(),
        "its runner came back"
    );
    plane.queue.reap(in_seconds(0)).await.unwrap();
    assert_eq!(plane.queue.reap(in_seconds(3)).await.unwrap(), 1);
    assert_eq!(plane.queue.reap(in_seconds(6)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_late_report_of_an_old_job_does_not_undo_what_a_later_one_has_deployed() {
    let plane = open().await;
    let runner = plane.runner().await;
    let update = json!({ "job_type": "UPDATE_RUNNER", "config_snapshot": { "runner_id": runner.id } });
    let report = async |row: &Row, status: &str, region: &str| {
        let metadata = json!({ "deploy_config": { "region": region } });
        let report = json!({ "status": status, "execution_metadata": metadata });
        let report = serde_json::from_value(report).unwrap();
        plane.queue.report(&runner, &row.job.id, row.job.attempt_no(), report).await.unwrap()
    };
    let lost = plane.running_as("lost", &update, &runner).await;
    report(&lost, "PROCESSING", "old").await;
    plane.queue.reap(in_seconds(0)).await.unwrap();
    plane.queue.reap(in_seconds(3)).await.unwrap();
    let later = plane.running_as("later", &update, &runner).await;
    assert_eq!(report(&later, "SUCCESS", "new").await, Reported::Taken);
    assert!(matches!(report(&lost, "SUCCESS", "old").await, Reported::TooLate(_)), "it was given up");
    let again = Directory::load(plane.database.clone()).await.unwrap();
    for directory in [&plane.queue.0.directory, &again] {
        assert_eq!(directory.runner(&runner.id).unwrap().deploy_config, Some(json!({ "region": "new" })));
    }
}

#[tokio::test]
async fn a_runner_of_the_seeds_contract_speaks_for_one_job() {
    let plane = open().await;
    let runner = plane.runner().await;
    let old = plane.running("old", &runner).await.job.id;
    let new = plane.running("new", &runner).await.job.id;
    let speaks_for = async |said: Option<&JobId>| {
        let held = plane.queue.held_by(&runner.id).await.unwrap();
        let speaks_for = plane.queue.speaks_for(&runner.id, said, &held).await.unwrap();
        speaks_for.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(speaks_for(None).await, std::slice::from_ref(&new));
    assert_eq!(speaks_for(Some(&old)).await, std::slice::from_ref(&old));
    let claim = |at: i64| {
        move |row: &mut Row, _: Option<&mut Row>| {
            row.job.claimed_at = Some(in_seconds(at));
            Ok(())
        }
    };
    plane.queue.change(&new, claim(-3 * 3600)).await.unwrap();
    assert!(speaks_for(Some(&new)).await.is_empty(), "it would have stopped it by now");
    plane.queue.change(&new, claim(1)).await.unwrap();
    let end = |row: &mut Row, _: Option<&mut Row>| row.apply(Event::End(JobStatus::Success));
    plane.queue.change(&new, end).await.unwrap();
    assert!(speaks_for(None).await.is_empty(), "the old one is over since it was given the new one");
}
