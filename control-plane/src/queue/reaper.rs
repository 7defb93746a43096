//! What becomes of a job that its runner does not speak for any more. The decision is pure; the loop carries it out.

use std::time::Duration;

use wire::{JobStatus, LossPolicy, Phase, Reason, Timestamp};

use super::{Held, Queue, Timings};

/// Attempts after which a job is not run again: something about it kills runners.
pub const MAX_ATTEMPTS: u32 = 5;

/// What becomes of a job whose lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for a runner again.
    Requeue,
    /// Somebody wanted it cancelled, and nothing has changed yet.
    Cancel,
    /// Too many attempts.
    TooManyAttempts,
    /// Nobody knows how far it came.
    Unknown,
}

/// Decides; none while its runner may still come back. `seen` is the last sign of life: the claim, a heartbeat that named it, a
/// line of log, a report.
#[must_use]
pub fn fate(held: &Held, seen: Timestamp, now: Timestamp, timings: &Timings) -> Option<Fate> {
    let since = |then: Timestamp| Duration::from_micros((now.as_micros() - then.as_micros()).try_into().unwrap_or(0));
    // A runner that names its request shows at once that it got the answer; the seed's runners have no way to.
    let knows_protocol = held.request_id.is_some();
    let patience = if knows_protocol { timings.unacknowledged } else { timings.lease };
    let is_unacknowledged = held.status == JobStatus::Claimed && !held.confirmed && since(seen) >= patience;
    if !is_unacknowledged && since(seen) < timings.lease {
        return None;
    }
    let is_before_commit = held.phase == Phase::Preparing;
    let may_run_again = match held.loss {
        LossPolicy::Requeue => is_before_commit,
        // The seed's runners do not say when they pass the commit point, and go on though nothing that they say arrives: who
        // was given the job may have.
        LossPolicy::RequeueBeforeCommit => is_before_commit && knows_protocol,
        LossPolicy::Fail => is_unacknowledged && knows_protocol,
    };
    match may_run_again {
        true if held.cancel_requested => Some(Fate::Cancel),
        true if held.attempt.0 >= MAX_ATTEMPTS => Some(Fate::TooManyAttempts),
        true => Some(Fate::Requeue),
        false if since(seen) < timings.silence => None,
        false => Some(Fate::Unknown),
    }
}

impl Fate {
    /// The word for programs.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Requeue | Self::TooManyAttempts => Reason::RunnerLost,
            Self::Cancel => Reason::CancelledByUser,
            Self::Unknown => Reason::OutcomeUnknown,
        }
    }
}

/// Looks at all jobs that runners hold, again and again.
pub(crate) async fn run(queue: Queue) {
    let mut ticks = tokio::time::interval(queue.timings().reap_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = queue.reap(Timestamp::now()).await {
            tracing::error!(%error, "could not look after the jobs of lost runners");
        }
    }
}

/// Whether the plane stood still, this machine slept or its clock was set, forward or back: nobody could reach us for some
/// of the time that has passed, or it has not passed at all. That is no runner's fault.
pub(super) fn were_away(before: Timestamp, now: Timestamp, every: Duration) -> bool {
    const LATE: Duration = Duration::from_secs(10);
    let passed = now.as_micros().saturating_sub(before.as_micros());
    let expected = if passed < 0 { Duration::ZERO } else { every };
    Duration::from_micros(passed.unsigned_abs()) > expected.saturating_add(LATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Row;
    use serde_json::json;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_000 * SECOND;

    fn row(loss: LossPolicy, phase: Phase) -> Row {
        let job = json!({ "id": "j", "job_type": "k", "status": "PROCESSING", "attempt": 1, "phase": phase });
        let mut job: wire::Job = serde_json::from_value(job).unwrap();
        job.claimed_at = Some(Timestamp::from_micros(START));
        let lease_until = Timestamp::from_micros(START);
        Row { request_id: Some("q".to_owned()), confirmed: true, lease_until, ..Row::new(job, loss) }
    }

    fn after(row: &Row, seconds: i64) -> Option<Fate> {
        let now = Timestamp::from_micros(START + seconds * SECOND);
        fate(&Held::of(row), Timestamp::from_micros(START), now, &Timings::default())
    }

    #[test]
    fn a_lease_lasts_ninety_seconds() {
        let row = row(LossPolicy::Requeue, Phase::Preparing);
        assert_eq!(after(&row, 89), None);
        assert_eq!(after(&row, 90), Some(Fate::Requeue));
    }

    #[test]
    fn what_has_changed_the_world_is_never_run_again() {
        for loss in [LossPolicy::Requeue, LossPolicy::RequeueBeforeCommit, LossPolicy::Fail] {
            let row = row(loss, Phase::Committed);
            assert_eq!(after(&row, 299), None);
            assert_eq!(after(&row, 300), Some(Fate::Unknown));
            assert_eq!(after(&row, 1_000_000), Some(Fate::Unknown));
        }
    }

    #[test]
    fn before_its_commit_point_it_may() {
        assert_eq!(after(&row(LossPolicy::RequeueBeforeCommit, Phase::Preparing), 90), Some(Fate::Requeue));
        assert_eq!(after(&row(LossPolicy::Fail, Phase::Preparing), 90), None);
    }

    #[test]
    fn an_answer_that_got_lost_costs_half_a_minute() {
        let mut row = row(LossPolicy::Fail, Phase::Preparing);
        row.job.status = JobStatus::Claimed;
        row.confirmed = false;
        assert_eq!(after(&row, 29), None);
        assert_eq!(after(&row, 30), Some(Fate::Requeue));
    }

    #[test]
    fn a_runner_of_the_seeds_contract_may_have_changed_the_world_without_a_word() {
        for loss in [LossPolicy::RequeueBeforeCommit, LossPolicy::Fail] {
            let mut row = row(loss, Phase::Preparing);
            row.request_id = None;
            for (status, confirmed) in [(JobStatus::Processing, true), (JobStatus::Claimed, false)] {
                (row.job.status, row.confirmed) = (status, confirmed);
                assert_eq!(after(&row, 299), None);
                assert_eq!(after(&row, 300), Some(Fate::Unknown));
            }
        }
    }

    #[test]
    fn what_only_reads_is_run_again_once_such_a_runner_had_time_to_start() {
        let mut row = row(LossPolicy::Requeue, Phase::Preparing);
        (row.request_id, row.job.status, row.confirmed) = (None, JobStatus::Claimed, false);
        assert_eq!(after(&row, 89), None, "it may only be slow to start");
        assert_eq!(after(&row, 90), Some(Fate::Requeue));
    }

    #[test]
    fn a_machine_that_slept_blames_no_runner() {
        let every = Duration::from_secs(5);
        let after =
            |seconds| were_away(Timestamp::from_micros(START), Timestamp::from_micros(START + seconds * SECOND), every);
        assert!(!after(5) && !after(15) && !after(-10), "late at most, or a clock that was put right");
        assert!(after(16) && after(600) && after(-11) && after(-7200));
    }

    #[test]
    fn a_wish_to_cancel_is_kept_over_the_loss_of_the_runner() {
        let mut row = row(LossPolicy::Requeue, Phase::Preparing);
        row.job.cancel_requested = true;
        assert_eq!(after(&row, 90), Some(Fate::Cancel));
    }

    #[test]
    fn a_job_that_kills_runners_is_given_up() {
        let mut row = row(LossPolicy::Requeue, Phase::Preparing);
        row.job.attempt = MAX_ATTEMPTS;
        assert_eq!(after(&row, 90), Some(Fate::TooManyAttempts));
    }
}
