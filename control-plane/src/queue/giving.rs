//! Which waiting job a claimant is given, in SQLite. A reader looks for it, where nobody waits; the one writer only sees
//! whether it waits still.

use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Row as _, SqliteExecutor};
use wire::{RunnerId, RunnerWork};

use super::sqlite::held_by;
use super::{Claimant, Offer, Row, Take, columns};
use crate::error::PlaneError;

/// The first job that fitted when somebody looked.
pub(super) struct First {
    /// Finds it, and what waits behind it.
    from_here: &'static str,
    created_at: i64,
    id: String,
}

/// What became of a claim that had found a job.
pub(super) enum Given {
    /// A job, now or by the same request before.
    Job(Box<Row>),
    /// Its runner is gone, or is being taken away.
    Nothing,
    /// Others were faster. To look again, with whom it works for by now.
    TooLate(Box<Take>),
}

/// The oldest of those that only this runner may take, else the oldest of all. Reads on only until one fits, in the order
/// of an index: a long queue costs no more than a short one, unless nothing in it fits.
pub(super) async fn first_that_fits(pool: &SqlitePool, claimant: &Claimant) -> Result<Option<First>, PlaneError> {
    let kinds = kinds(claimant);
    let for_any = match claimant.org {
        Some(_) => (UNASSIGNED_OF_ORG, UNASSIGNED_OF_ORG_FROM_HERE),
        None => (UNASSIGNED, UNASSIGNED_FROM_HERE),
    };
    for (look, from_here) in [(ASSIGNED, ASSIGNED_FROM_HERE), for_any] {
        let waiting = sqlx::query(look).bind(&claimant.org).bind(&kinds).bind(claimant.runner.as_str());
        let mut waiting = waiting.fetch(pool);
        while let Some(found) = waiting.try_next().await? {
            let offer = columns::read_offer(&found)?;
            if claimant.may_take(&offer) {
                let created_at = found.try_get("created_at")?;
                return Ok(Some(First { from_here, created_at, id: offer.id.to_string() }));
            }
        }
    }
    Ok(None)
}

/// The job that the same request was given before, for as long as it is held.
pub(super) async fn given_before(
    executor: impl SqliteExecutor<'_>,
    runner: &RunnerId,
    request_id: &str,
) -> Result<Option<Row>, PlaneError> {
    let given = sqlx::query(GIVEN_TO).bind(runner.as_str()).bind(request_id);
    given.fetch_optional(executor).await?.as_ref().map(columns::read).transpose()
}

pub(super) async fn give(connection: &mut SqliteConnection, mut take: Take, first: First) -> Result<Given, PlaneError> {
    if let Some(request_id) = &take.request_id
        && let Some(before) = given_before(&mut *connection, &take.claimant.runner, request_id).await?
    {
        return Ok(Given::Job(Box::new(before)));
    }
    if is_gone_or_leaves(connection, &take.claimant).await? {
        return Ok(Given::Nothing);
    }
    if take.claimant.is_cloud_hosted() {
        // What it was given in the meantime binds it.
        let held = held_by(&mut *connection, &take.claimant.runner).await?;
        take.claimant = take.claimant.holding(&held);
    }
    let Some(mut row) = still_waits(connection, &take.claimant, first).await? else {
        return Ok(Given::TooLate(Box::new(take)));
    };
    take.give(&mut row)?;
    columns::save(connection, &mut row).await?;
    Ok(Given::Job(Box::new(row)))
}

/// Whether its runner was removed or given another token, or a job is to take it away.
pub(super) async fn is_gone_or_leaves(
    connection: &mut SqliteConnection,
    Claimant { runner, token_hash, .. }: &Claimant,
) -> Result<bool, PlaneError> {
    let on_it = sqlx::query_scalar(ON_RUNNER).bind(wire::runner_key(runner)).bind(runner.as_str()).bind(token_hash);
    let on_it: Vec<Option<String>> = on_it.fetch_all(connection).await?;
    let destroys = |kind: &String| RunnerWork::of(kind) == Some(RunnerWork::Destroy);
    Ok(on_it.is_empty() || on_it.iter().flatten().any(destroys))
}

/// That job, or one of the next few: of many who found the same, each is given one in one commit.
async fn still_waits(
    connection: &mut SqliteConnection,
    claimant: &Claimant,
    first: First,
) -> Result<Option<Row>, PlaneError> {
    let waiting = sqlx::query(first.from_here).bind(&claimant.org).bind(kinds(claimant)).bind(claimant.runner.as_str());
    let mut waiting = waiting.bind(first.created_at).bind(first.id).fetch(connection);
    while let Some(found) = waiting.try_next().await? {
        let row = columns::read(&found)?;
        if claimant.may_take(&Offer::of(&row.job)) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn kinds(claimant: &Claimant) -> Option<String> {
    claimant.kinds.as_ref().map(|kinds| Value::from(kinds.clone()).to_string())
}

macro_rules! offer {
    () => {
        "id, org_id, job_type, attempt, assigned_runner_id, cloud_identity_id, concurrency_key, labels, created_at"
    };
}
macro_rules! nobody_works_on_the_same {
    () => {
        "(concurrency_key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS other \
          WHERE other.org_id = jobs.org_id AND other.concurrency_key = jobs.concurrency_key \
          AND other.status IN ('CLAIMED', 'PROCESSING')))"
    };
}
macro_rules! waiting {
    ($columns:expr, $whose:literal, $where_and_how_many:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM jobs WHERE status = 'QUEUED' AND ",
            $whose,
            " AND (?1 IS NULL OR org_id = ?1) AND (?2 IS NULL OR job_type IN (SELECT value FROM json_each(?2))) AND ",
            nobody_works_on_the_same!(),
            $where_and_how_many
        )
    };
}
macro_rules! all {
    ($whose:literal) => {
        waiting!(offer!(), $whose, " ORDER BY created_at, id")
    };
}
macro_rules! from_here {
    ($whose:literal) => {
        waiting!("*", $whose, " AND (created_at, id) >= (?4, ?5) ORDER BY created_at, id LIMIT 16")
    };
}
const ASSIGNED: &str = all!("assigned_runner_id = ?3");
const UNASSIGNED: &str = all!("assigned_runner_id IS NULL");
const UNASSIGNED_OF_ORG: &str = all!("assigned_runner_id IS NULL AND org_id = ?1");
const ASSIGNED_FROM_HERE: &str = from_here!("assigned_runner_id = ?3");
const UNASSIGNED_FROM_HERE: &str = from_here!("assigned_runner_id IS NULL");
const UNASSIGNED_OF_ORG_FROM_HERE: &str = from_here!("assigned_runner_id IS NULL AND org_id = ?1");
pub(super) const CLAIMABLE: &str = concat!(
    "SELECT ",
    offer!(),
    " FROM jobs WHERE status = 'QUEUED' AND (?1 IS NULL OR org_id = ?1) AND ",
    nobody_works_on_the_same!(),
    " ORDER BY created_at, id"
);
/// With the sign SQLite does not think of the index that has this order, and all jobs that the organisation ever had.
pub(super) const WAITING_ON: &str = concat!(
    "SELECT ",
    offer!(),
    " FROM jobs WHERE org_id = ? AND concurrency_key = ? AND status = 'QUEUED' ORDER BY +created_at, id LIMIT 100"
);
pub(super) const FREED: &str = concat!(
    "SELECT ",
    offer!(),
    " FROM jobs WHERE status = 'QUEUED' AND json_extract(execution_metadata, '$.unassigned_from') = ? \
     ORDER BY created_at, id"
);

const GIVEN_TO: &str =
    "SELECT * FROM jobs WHERE runner_id = ? AND status IN ('CLAIMED', 'PROCESSING') AND request_id = ?";
/// The kinds of what works on a runner: one row without, if nothing does, and no row of a runner that there is not.
const ON_RUNNER: &str = "SELECT jobs.job_type FROM runners LEFT JOIN jobs \
     ON jobs.org_id = runners.org_id AND jobs.concurrency_key = ? \
     AND jobs.status IN ('QUEUED', 'CLAIMED', 'PROCESSING') \
     WHERE runners.id = ? AND runners.token_hash = ?";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::queue::sqlite::ALL_ON;

    #[tokio::test]
    async fn a_claim_reads_no_job_that_waits_for_others_alone_or_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
        for (look, index) in [
            (ASSIGNED, "jobs_assigned (assigned_runner_id=?)"),
            (ASSIGNED_FROM_HERE, "jobs_assigned (assigned_runner_id=? AND created_at>?)"),
            (UNASSIGNED_OF_ORG, "jobs_waiting (org_id=?)"),
            (UNASSIGNED_OF_ORG_FROM_HERE, "jobs_waiting (org_id=? AND created_at>?)"),
            (WAITING_ON, "jobs_by_concurrency (org_id=? AND concurrency_key=? AND status=?)"),
            (ALL_ON, "jobs_by_concurrency (org_id=? AND concurrency_key=? AND status=?)"),
        ] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {look}")));
            let plan = plan.fetch_all(&database.pool).await.unwrap();
            let first: String = plan[0].get("detail");
            assert!(first.ends_with(index), "{look}: {first}");
        }
    }
}
