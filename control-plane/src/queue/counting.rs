//! A store that counts what it is asked, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use wire::{JobId, JobList, RunnerId, Timestamp};

use super::{Decide, Held, JobStore, ListFilter, Offer, Row, SqliteStore, Take};
use crate::error::PlaneError;

/// Another store, and how often it was asked.
pub(super) struct Counting {
    pub(super) store: SqliteStore,
    pub(super) asked: Arc<AtomicUsize>,
}

macro_rules! counts {
    ($($name:ident($($what:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl JobStore for Counting {
            $(
                async fn $name(&self, $($what: $kind),*) -> Result<$answer, PlaneError> {
                    self.asked.fetch_add(1, Ordering::SeqCst);
                    self.store.$name($($what),*).await
                }
            )+
        }
    };
}

counts! {
    insert(row: Row, give_to: Option<Take>) -> Row;
    find(id: &JobId) -> Option<Row>;
    list(org: &str, filter: &ListFilter) -> JobList;
    held_by(runner: &RunnerId) -> Vec<Held>;
    held() -> Vec<Held>;
    given_before(runner: &RunnerId, request_id: &str) -> Option<Row>;
    running_on(org: &str, concurrency_key: &str) -> Option<Row>;
    waiting_on(org: &str, concurrency_key: &str) -> Vec<Offer>;
    all_on(org: &str, concurrency_key: &str) -> Vec<Row>;
    claimable(org: Option<&str>) -> Vec<Offer>;
    freed(gone: &RunnerId) -> Vec<Offer>;
    last_end(runner: &RunnerId) -> Option<Timestamp>;
    last_claim(runner: &RunnerId) -> Option<JobId>;
    take(take: Take) -> Option<Row>;
    change(id: &JobId, decide: Decide) -> Row;
    renew_leases(until: Timestamp) -> ();
}
