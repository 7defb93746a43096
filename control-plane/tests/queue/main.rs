//! What every database of the queue must do, whichever it is. A new one adds a few lines at the end of this file.

mod claims;

use std::sync::Arc;

use control_plane::PlaneError;
use control_plane::database::Database;
use control_plane::queue::{Claimant, Held, JobStore, ListFilter, Offer, Row, SqliteStore, Take};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use wire::{Job, JobId, JobStatus, LossPolicy, RunnerId, Timestamp};

use claims::{
    a_claim_is_a_new_attempt_under_a_lease, a_claimant_gets_only_what_it_may_take,
    a_runner_that_was_removed_or_has_another_token_by_now_is_given_nothing,
    of_claims_at_once_each_gets_what_it_may_take, of_many_claims_each_job_is_given_once_and_the_oldest_first,
    one_that_works_for_all_is_bound_by_what_another_of_its_claims_is_given, the_same_request_gets_the_same_job,
};

/// Microseconds; later jobs have later times, whatever the clock does.
fn at(number: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + number)
}

fn job(number: i64, more: Value) -> Row {
    let mut job = json!({ "id": format!("job-{number}"), "job_type": "read", "status": "QUEUED", "org_id": "acme",
                          "user_id": "ann", "config_snapshot": { "n": number },
                          "created_at": at(number), "updated_at": at(number) });
    let Value::Object(more) = more else { panic!("fields of a job") };
    job.as_object_mut().unwrap().extend(more);
    Row::new(serde_json::from_value::<Job>(job).unwrap(), LossPolicy::RequeueBeforeCommit)
}

fn id(number: i64) -> JobId {
    format!("job-{number}").parse().unwrap()
}

fn claimant(runner: &str) -> Claimant {
    Claimant {
        runner: runner.parse().unwrap(),
        token_hash: format!("token of {runner}"),
        org: Some("acme".to_owned()),
        kinds: None,
        labels: Map::new(),
        identity: None,
        bond: None,
        names_attempts: true,
    }
}

fn take(claimant: Claimant, request_id: Option<&str>) -> Take {
    let request_id = request_id.map(str::to_owned);
    Take { claimant, request_id, lease_until: at(90_000_000), now: at(1_000_000) }
}

fn names(offers: Vec<Offer>) -> Vec<String> {
    offers.into_iter().map(|offer| offer.id.to_string()).collect()
}

async fn taken(store: &impl JobStore, take: Take) -> Option<String> {
    store.take(take).await.unwrap().map(|row| row.job.id.to_string())
}

async fn a_job_comes_back_as_it_was_put(store: impl JobStore) {
    let more = json!({ "labels": { "zone": "a", "n": 1 }, "timeout_s": 7, "plan_job_id": "job-9",
                       "assigned_runner_id": "r1", "cloud_identity_id": "c", "configuration_hash": "h",
                       "execution_metadata": { "retry_of": "x" },
                       "config_snapshot": { "text": "ü\u{0}\"'; DROP TABLE jobs", "deep": [[[1.5, null]]] } });
    let put = job(1, more);
    store.insert(put.clone(), None).await.unwrap();
    let found = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!((found.job, found.loss, found.log_base), (put.job, put.loss, Some(0)));
    assert!(store.find(&id(2)).await.unwrap().is_none());
    let kept = store.insert(job(3, json!({})), Some(take(claimant("r1"), Some("q")))).await.unwrap();
    let found = store.find(&id(3)).await.unwrap().unwrap();
    assert_eq!((&found.job, found.request_id.as_deref()), (&kept.job, Some("q")));
    assert_eq!((found.job.status, found.job.attempt), (JobStatus::Claimed, 1));
}

async fn a_change_is_kept_whole(store: impl JobStore) {
    store.insert(job(1, json!({})), None).await.unwrap();
    let change = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Processing;
        row.job.attempt = 3;
        row.job.phase = wire::Phase::Committed;
        row.job.reason = Some("why".to_owned());
        row.job.runner_id = Some("r1".parse().unwrap());
        row.job.error_message = Some("text".to_owned());
        row.job.execution_metadata = Some(json!({ "a": [1] }));
        (row.job.log_complete, row.job.log_length, row.job.cancel_requested) = (Some(false), 1 << 40, true);
        (row.job.claimed_at, row.job.started_at, row.job.completed_at) = (Some(at(1)), Some(at(2)), Some(at(3)));
        (row.request_id, row.confirmed, row.cancel_force) = (Some("q".to_owned()), true, true);
        (row.lease_until, row.log_base, row.plan_used_by) = (at(4), None, Some("job-2".to_owned()));
        Ok(())
    };
    let changed = store.change(&id(1), Box::new(change)).await.unwrap();
    let found = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!(found.job, changed.job);
    assert_eq!(
        (found.request_id, found.confirmed, found.cancel_force, found.lease_until, found.log_base),
        (Some("q".to_owned()), true, true, at(4), None)
    );
    assert_eq!((found.plan_used_by.as_deref(), found.revision), (Some("job-2"), 1));
}

async fn a_refused_change_changes_nothing(store: impl JobStore) {
    store.insert(job(1, json!({ "plan_job_id": "job-2" })), None).await.unwrap();
    store.insert(job(2, json!({})), None).await.unwrap();
    let refuse = |row: &mut Row, plan: Option<&mut Row>| {
        row.job.status = JobStatus::Failed;
        plan.unwrap().plan_used_by = Some("job-1".to_owned());
        Err(PlaneError::Conflict("no".to_owned()))
    };
    let refused = store.change(&id(1), Box::new(refuse)).await;
    assert!(matches!(refused, Err(PlaneError::Conflict(_))), "{refused:?}");
    let found = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!((found.job.status, found.revision), (JobStatus::Queued, 0));
    assert_eq!(store.find(&id(2)).await.unwrap().unwrap().plan_used_by, None);
    let absent = store.change(&id(3), Box::new(|_, _| Ok(()))).await;
    assert!(matches!(absent, Err(PlaneError::NotFound(_))), "{absent:?}");
}

async fn of_many_changes_none_is_lost(store: impl JobStore) {
    let store = Arc::new(store);
    store.insert(job(1, json!({})), None).await.unwrap();
    let mut changes = JoinSet::new();
    for number in 0..300 {
        let store = Arc::clone(&store);
        changes.spawn(async move {
            let add = move |row: &mut Row, _: Option<&mut Row>| {
                row.job.log_length += 1;
                // Every third is refused, in the middle of the others' commit.
                if number % 3 == 0 { Err(PlaneError::Conflict("no".to_owned())) } else { Ok(()) }
            };
            store.change(&id(1), Box::new(add)).await.is_ok()
        });
    }
    let made = changes.join_all().await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 200);
    assert_eq!(store.find(&id(1)).await.unwrap().unwrap().job.log_length, 200);
}

async fn a_plan_is_locked_with_the_job_that_applies_it(store: impl JobStore) {
    let store = Arc::new(store);
    store.insert(job(1, json!({})), None).await.unwrap();
    let mut users = JoinSet::new();
    for number in 2..20 {
        store.insert(job(number, json!({ "plan_job_id": "job-1" })), None).await.unwrap();
        let store = Arc::clone(&store);
        users.spawn(async move {
            let use_plan = move |row: &mut Row, plan: Option<&mut Row>| {
                let used_by = plan.unwrap().plan_used_by.get_or_insert_with(|| row.job.id.to_string());
                if *used_by == row.job.id.as_str() { Ok(()) } else { Err(PlaneError::Conflict("used".to_owned())) }
            };
            store.change(&id(number), Box::new(use_plan)).await.is_ok()
        });
    }
    assert_eq!(users.join_all().await.into_iter().filter(|used| *used).count(), 1);
}

async fn what_is_held_is_known_by_runner(store: impl JobStore) {
    for number in 0..3 {
        store.insert(job(number, json!({})), None).await.unwrap();
    }
    for runner in ["r1", "r2"] {
        store.take(take(claimant(runner), None)).await.unwrap();
    }
    let runner: RunnerId = "r1".parse().unwrap();
    let held = |held: Vec<Held>| held.into_iter().map(|held| held.id.to_string()).collect::<Vec<_>>();
    assert_eq!(held(store.held_by(&runner).await.unwrap()), ["job-0"]);
    assert_eq!(store.last_claim(&runner).await.unwrap(), Some(id(0)));
    assert_eq!(store.last_claim(&"r3".parse().unwrap()).await.unwrap(), None);
    assert_eq!(held(store.held().await.unwrap()).len(), 2);
    store.renew_leases(at(500)).await.unwrap();
    assert_eq!(store.find(&id(0)).await.unwrap().unwrap().lease_until, at(500));
    assert_eq!(store.find(&id(2)).await.unwrap().unwrap().lease_until, Timestamp::from_micros(0), "nobody holds it");
    store.take(Take { now: at(2_000_000), ..take(claimant("r1"), None) }).await.unwrap();
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        Ok(())
    };
    store.change(&id(2), Box::new(end)).await.unwrap();
    assert_eq!(store.last_claim(&runner).await.unwrap(), Some(id(2)), "though it has ended");
}

async fn a_list_is_of_one_organisation_newest_first(store: impl JobStore) {
    for number in 0..5 {
        let kind = if number % 2 == 0 { "read" } else { "change" };
        store.insert(job(number, json!({ "job_type": kind })), None).await.unwrap();
    }
    store.insert(job(9, json!({ "org_id": "other" })), None).await.unwrap();
    let list = async |filter: ListFilter| {
        let list = store.list("acme", &filter).await.unwrap();
        (list.jobs.into_iter().map(|job| job.id.to_string()).collect::<Vec<_>>(), list.total)
    };
    let names = |numbers: &[i64]| numbers.iter().map(|number| format!("job-{number}")).collect::<Vec<_>>();
    let all = ListFilter { limit: 2, ..ListFilter::default() };
    assert_eq!(list(all.clone()).await, (names(&[4, 3]), 5));
    assert_eq!(list(ListFilter { offset: 4, ..all.clone() }).await, (names(&[0]), 5));
    assert_eq!(list(ListFilter { offset: u64::MAX, ..all.clone() }).await, (names(&[]), 5));
    assert_eq!(list(ListFilter { kind: Some("change".to_owned()), ..all.clone() }).await, (names(&[3, 1]), 2));
    assert_eq!(list(ListFilter { status: Some(JobStatus::Failed), ..all }).await, (names(&[]), 0));
}

async fn a_new_job_is_not_given_before_others_on_its_thing(store: impl JobStore) {
    let submit = async |number, key: &str, runner: &str| {
        let job = job(number, json!({ "concurrency_key": key }));
        store.insert(job, Some(take(claimant(runner), None))).await.unwrap().job.status
    };
    assert_eq!(submit(1, "k", "r1").await, JobStatus::Claimed);
    assert_eq!(submit(2, "k", "r2").await, JobStatus::Queued, "the first works on it");
    assert_eq!(submit(3, "other", "r2").await, JobStatus::Claimed);
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        Ok(())
    };
    store.change(&id(1), Box::new(end)).await.unwrap();
    assert_eq!(submit(4, "k", "r1").await, JobStatus::Queued, "the second waits for it");
}

async fn what_could_be_claimed_is_known_by_thing_and_what_has_ended_by_runner(store: impl JobStore) {
    for (number, more) in
        [(1, json!({ "concurrency_key": "k" })), (2, json!({ "concurrency_key": "k" })), (3, json!({}))]
    {
        store.insert(job(number, more), None).await.unwrap();
    }
    store.insert(job(4, json!({ "org_id": "other" })), None).await.unwrap();
    let numbers = |rows: Vec<Row>| rows.into_iter().map(|row| row.job.id.to_string()).collect::<Vec<_>>();
    let claimable = async |org: Option<&str>| names(store.claimable(org).await.unwrap());
    assert_eq!(claimable(None).await, ["job-1", "job-2", "job-3", "job-4"]);
    assert_eq!(taken(&store, take(claimant("r1"), None)).await.as_deref(), Some("job-1"));
    assert_eq!(claimable(Some("acme")).await, ["job-3"], "the second waits for the first");
    assert_eq!(numbers(store.all_on("acme", "k").await.unwrap()), ["job-1", "job-2"]);
    assert!(store.all_on("other", "k").await.unwrap().is_empty());
    let runner: RunnerId = "r1".parse().unwrap();
    assert_eq!(store.last_end(&runner).await.unwrap(), None);
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        row.job.completed_at = Some(at(9));
        Ok(())
    };
    store.change(&id(1), Box::new(end)).await.unwrap();
    assert_eq!(store.last_end(&runner).await.unwrap(), Some(at(9)));
    assert_eq!(numbers(store.all_on("acme", "k").await.unwrap()), ["job-2"]);
    assert_eq!(claimable(Some("acme")).await, ["job-2", "job-3"]);
}

async fn what_waits_for_a_runner_that_is_taken_away_waits_for_any(store: impl JobStore) {
    let destroy = json!({ "job_type": "DESTROY_RUNNER", "config_snapshot": { "runner_id": "r2" } });
    store.insert(job(1, destroy), None).await.unwrap();
    store.insert(job(2, json!({ "assigned_runner_id": "r2" })), None).await.unwrap();
    store.insert(job(3, json!({ "assigned_runner_id": "r3" })), None).await.unwrap();
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        Ok(())
    };
    store.change(&id(1), Box::new(end)).await.unwrap();
    let found = async |number: i64| store.find(&id(number)).await.unwrap().unwrap().job;
    let freed = found(2).await;
    assert_eq!((freed.assigned_runner_id, freed.execution_metadata), (None, Some(json!({ "unassigned_from": "r2" }))));
    assert_eq!(found(3).await.assigned_runner_id.unwrap().as_str(), "r3");
    for (runner, freed) in [("r2", &["job-2"][..]), ("r3", &[])] {
        assert_eq!(names(store.freed(&runner.parse().unwrap()).await.unwrap()), freed);
    }
}

async fn what_is_said_of_a_job_that_has_ended_means_nothing_for_its_runner(store: impl JobStore) {
    let destroy = json!({ "job_type": "DESTROY_RUNNER", "config_snapshot": { "runner_id": "r2" } });
    store.insert(job(1, destroy), None).await.unwrap();
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        Ok(())
    };
    store.change(&id(1), Box::new(end)).await.unwrap();
    store.insert(job(2, json!({ "assigned_runner_id": "r2" })), None).await.unwrap();
    store.change(&id(1), Box::new(|_, _| Ok(()))).await.unwrap();
    let assigned = store.find(&id(2)).await.unwrap().unwrap().job.assigned_runner_id;
    assert_eq!(assigned.unwrap().as_str(), "r2", "what is gone went once");
}

async fn a_runner_that_holds_a_job_is_not_taken_away(store: impl JobStore) {
    let destroy = |number, runner: &str| {
        let payload = json!({ "runner_id": runner });
        job(number, json!({ "job_type": "DESTROY_RUNNER", "config_snapshot": payload }))
    };
    store.insert(job(1, json!({})), Some(take(claimant("r1"), Some("q")))).await.unwrap();
    let refused = store.insert(destroy(2, "r1"), None).await;
    let Err(PlaneError::Conflict(why)) = refused else { panic!("{refused:?}") };
    assert_eq!(why, "runner r1 holds job job-1");
    assert!(store.find(&id(2)).await.unwrap().is_none());
    store.insert(destroy(3, "r2"), None).await.unwrap();
}

/// A database of its own for each test, which knows the runners r0 to r79; its folder goes when the test ends.
async fn sqlite() -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plane.db");
    let database = Database::open(&file).await.unwrap();
    let pool = sqlx::SqlitePool::connect(&file.display().to_string()).await.unwrap();
    sqlx::query(
        "INSERT INTO runners (id, org_id, name, mode, token_hash, labels, kinds, said, created_at) \
         SELECT 'r' || value, 'acme', value, 'self-hosted', 'token of r' || value, '{}', '[]', 'ONLINE', 0 FROM json_each(?)",
    )
    .bind(Value::from((0..80).collect::<Vec<_>>()).to_string())
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    (SqliteStore::new(database), folder)
}

macro_rules! conforms {
    ($database:ident: $($promise:ident),+ $(,)?) => {
        mod $database {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let (store, _folder) = super::$database().await;
                    super::$promise(store).await;
                }
            )+
        }
    };
}

conforms! { sqlite:
    a_job_comes_back_as_it_was_put,
    a_change_is_kept_whole,
    a_refused_change_changes_nothing,
    of_many_changes_none_is_lost,
    a_plan_is_locked_with_the_job_that_applies_it,
    of_many_claims_each_job_is_given_once_and_the_oldest_first,
    of_claims_at_once_each_gets_what_it_may_take,
    one_that_works_for_all_is_bound_by_what_another_of_its_claims_is_given,
    the_same_request_gets_the_same_job,
    a_claim_is_a_new_attempt_under_a_lease,
    a_claimant_gets_only_what_it_may_take,
    what_is_held_is_known_by_runner,
    a_list_is_of_one_organisation_newest_first,
    a_new_job_is_not_given_before_others_on_its_thing,
    what_could_be_claimed_is_known_by_thing_and_what_has_ended_by_runner,
    what_waits_for_a_runner_that_is_taken_away_waits_for_any,
    what_is_said_of_a_job_that_has_ended_means_nothing_for_its_runner,
    a_runner_that_holds_a_job_is_not_taken_away,
    a_runner_that_was_removed_or_has_another_token_by_now_is_given_nothing,
}
