//! What every database must do with claims: who is given which job, once.

use std::collections::HashSet;
use std::sync::Arc;

use control_plane::queue::transitions::Event;
use control_plane::queue::{Claimant, JobStore, Row};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wire::JobStatus;

use crate::{at, claimant, id, job, take, taken};

pub(crate) async fn of_many_claims_each_job_is_given_once_and_the_oldest_first(store: impl JobStore) {
    let store = Arc::new(store);
    for number in (0..60).rev() {
        store.insert(job(number, json!({})), None).await.unwrap();
    }
    assert_eq!(taken(&*store, take(claimant("r0"), None)).await.as_deref(), Some("job-0"));
    let mut claims = JoinSet::new();
    for number in 0..80 {
        let store = Arc::clone(&store);
        claims.spawn(async move { taken(&*store, take(claimant(&format!("r{number}")), Some("q"))).await });
    }
    let given: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
    assert_eq!((given.len(), given.iter().collect::<HashSet<_>>().len()), (59, 59));
    assert_eq!(taken(&*store, take(claimant("r0"), None)).await, None);
}

/// Whoever was too late for the first that it found looks past what it may not take.
pub(crate) async fn of_claims_at_once_each_gets_what_it_may_take(store: impl JobStore) {
    let store = Arc::new(store);
    for number in 0..100 {
        let labels = if number % 30 == 0 { json!({}) } else { json!({ "zone": "nowhere" }) };
        store.insert(job(number, json!({ "labels": labels })), None).await.unwrap();
    }
    let mut claims = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        claims.spawn(async move { taken(&*store, take(claimant(&format!("r{number}")), Some("q"))).await });
    }
    let given: HashSet<_> = claims.join_all().await.into_iter().flatten().collect();
    assert_eq!(given, HashSet::from([0, 30, 60, 90].map(|number| format!("job-{number}"))));
}

pub(crate) async fn one_that_works_for_all_is_bound_by_what_another_of_its_claims_is_given(store: impl JobStore) {
    store.insert(job(1, json!({})), None).await.unwrap();
    store.insert(job(2, json!({ "org_id": "other" })), None).await.unwrap();
    let cloud_hosted = || Claimant { org: None, ..claimant("r1") };
    let mut given = <[_; 2]>::from(tokio::join!(
        taken(&store, take(cloud_hosted(), Some("q1"))),
        taken(&store, take(cloud_hosted(), Some("q2"))),
    ));
    given.sort();
    assert_eq!(given, [None, Some("job-1".to_owned())]);
}

pub(crate) async fn the_same_request_gets_the_same_job(store: impl JobStore) {
    let store = Arc::new(store);
    for number in 0..4 {
        store.insert(job(number, json!({})), None).await.unwrap();
    }
    let mut claims = JoinSet::new();
    for _ in 0..10 {
        let store = Arc::clone(&store);
        claims.spawn(async move { taken(&*store, take(claimant("r1"), Some("q"))).await });
    }
    let given: HashSet<_> = claims.join_all().await.into_iter().collect();
    assert_eq!(given, HashSet::from([Some("job-0".to_owned())]));
    let others = [take(claimant("r1"), Some("q2")), take(claimant("r2"), Some("q")), take(claimant("r1"), None)];
    for (number, other) in others.into_iter().enumerate() {
        assert_eq!(taken(&*store, other).await, Some(format!("job-{}", number + 1)));
    }
    let end = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = JobStatus::Success;
        Ok(())
    };
    store.change(&id(0), Box::new(end)).await.unwrap();
    assert_eq!(taken(&*store, take(claimant("r1"), Some("q"))).await, None, "its job has ended");
}

pub(crate) async fn a_claim_is_a_new_attempt_under_a_lease(store: impl JobStore) {
    store.insert(job(1, json!({})), None).await.unwrap();
    let row = store.take(take(claimant("r1"), Some("q"))).await.unwrap().unwrap();
    assert_eq!((row.job.status, row.job.attempt, row.lease_until), (JobStatus::Claimed, 1, at(90_000_000)));
    assert_eq!((row.confirmed, row.log_base, row.job.claimed_at), (false, Some(0), Some(at(1_000_000))));
    let requeue = |row: &mut Row, _: Option<&mut Row>| {
        row.job.status = control_plane::queue::transitions::next(row.job.status, Event::Requeue).unwrap();
        row.job.runner_id = None;
        Ok(())
    };
    store.change(&id(1), Box::new(requeue)).await.unwrap();
    let seed = Claimant { names_attempts: false, ..claimant("r3") };
    assert_eq!(taken(&store, take(seed.clone(), None)).await, None, "its writes would count as the first attempt's");
    store.insert(job(2, json!({})), None).await.unwrap();
    assert_eq!(taken(&store, take(seed, None)).await.as_deref(), Some("job-2"));
    let row = store.take(take(claimant("r2"), Some("q"))).await.unwrap().unwrap();
    assert_eq!((row.job.attempt, row.log_base), (2, None), "its place in the log is fixed later");
}

pub(crate) async fn a_claimant_gets_only_what_it_may_take(store: impl JobStore) {
    let labels = |labels: Value| labels.as_object().unwrap().clone();
    store.insert(job(1, json!({ "org_id": "other" })), None).await.unwrap();
    store.insert(job(2, json!({ "assigned_runner_id": "r2" })), None).await.unwrap();
    store.insert(job(3, json!({ "job_type": "change" })), None).await.unwrap();
    store.insert(job(4, json!({ "labels": { "zone": "a", "n": 1 } })), None).await.unwrap();
    let reads = Claimant { kinds: Some(vec!["read".to_owned()]), ..claimant("r1") };
    assert_eq!(taken(&store, take(reads.clone(), None)).await, None);
    let wrong = Claimant { labels: labels(json!({ "zone": "a", "n": "1" })), ..reads.clone() };
    assert_eq!(taken(&store, take(wrong, None)).await, None);
    let none = Claimant { kinds: Some(vec![]), ..claimant("r2") };
    assert_eq!(taken(&store, take(none, None)).await, None);
    let labelled = Claimant { labels: labels(json!({ "zone": "a", "n": 1, "more": true })), ..reads };
    assert_eq!(taken(&store, take(labelled, None)).await.as_deref(), Some("job-4"));
    assert_eq!(taken(&store, take(claimant("r2"), None)).await.as_deref(), Some("job-2"));
    assert_eq!(taken(&store, take(claimant("r1"), None)).await.as_deref(), Some("job-3"));
    let cloud_hosted = Claimant { org: None, ..claimant("r3") };
    assert_eq!(taken(&store, take(cloud_hosted, None)).await.as_deref(), Some("job-1"));
}

pub(crate) async fn a_runner_that_was_removed_or_has_another_token_by_now_is_given_nothing(store: impl JobStore) {
    store.insert(job(1, json!({})), None).await.unwrap();
    let replaced = Claimant { token_hash: "another".to_owned(), ..claimant("r1") };
    for (number, claimant) in [(2, claimant("gone")), (3, replaced)] {
        assert_eq!(taken(&store, take(claimant.clone(), Some("q"))).await, None);
        let kept = store.insert(job(number, json!({})), Some(take(claimant, Some("q")))).await.unwrap();
        assert_eq!((kept.job.status, kept.job.runner_id), (JobStatus::Queued, None));
    }
    assert_eq!(taken(&store, take(claimant("r1"), Some("q"))).await.as_deref(), Some("job-1"));
}
