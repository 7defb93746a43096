//! What a runner says about its job: that it runs, that it is about to change the world, how it ended.

use serde_json::json;
use wire::{AttemptNo, JobId, JobStatus, LogSummary, Phase, Reason, RunnerId, StatusReport, Timestamp};

use super::holding::Holding;
use super::transitions::Event;
use super::{Queue, Row};
use crate::directory::Runner;
use crate::error::PlaneError;

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Taken, now or before.
    Taken,
    /// The job had ended in another way by then. What the report says is kept beside it.
    TooLate(String),
}

impl Queue {
    /// Takes a report of the runner that holds `attempt`.
    ///
    /// # Errors
    /// [`PlaneError::LeaseLost`] for an attempt that is not current, [`PlaneError::Conflict`] for a second end or a
    /// refused commit point, [`PlaneError::LogBehind`] if the log's end is missing, [`PlaneError::TooLarge`] for metadata
    /// that is too much with what was reported before. Nothing changed then.
    pub async fn report(
        &self,
        runner: &Runner,
        id: &JobId,
        attempt: AttemptNo,
        report: StatusReport,
    ) -> Result<Reported, PlaneError> {
        let holding = self.holding(runner, id).await?;
        let runner = &runner.id;
        holding.check(runner, attempt)?;
        if report.status == JobStatus::Processing {
            return self.running(runner, id, attempt, report).await;
        }
        if !report.status.is_terminal() {
            let error = "a runner reports PROCESSING, SUCCESS, FAILED or CANCELLED";
            return Err(PlaneError::invalid("/status", error));
        }
        let log = self.check_log(&holding, report.log.as_ref()).await?;
        self.ended(runner, id, attempt, report, log).await
    }

    async fn running(
        &self,
        runner: &RunnerId,
        id: &JobId,
        attempt: AttemptNo,
        report: StatusReport,
    ) -> Result<Reported, PlaneError> {
        let runner = runner.clone();
        let lease_until = self.lease_from(Timestamp::now());
        let run = move |row: &mut Row, plan: Option<&mut Row>| {
            row.holding().check(&runner, attempt)?;
            begin(row)?;
            row.lease_until = lease_until;
            row.merge_metadata(report.execution_metadata)?;
            if report.phase == Some(Phase::Committed) && row.job.phase < Phase::Committed {
                commit(row, plan)?;
            }
            row.job.phase = row.job.phase.max(report.phase.unwrap_or_default());
            Ok(Reported::Taken)
        };
        Ok(self.change(id, run).await?.1)
    }

    /// Length and completeness of the attempt's log; none where the runner says nothing of it.
    async fn check_log(
        &self,
        holding: &Holding,
        summary: Option<&LogSummary>,
    ) -> Result<(u64, Option<bool>), PlaneError> {
        let total = self.0.logs.length(&holding.job).await?;
        let Some(summary) = summary else { return Ok((total, None)) };
        let (length, digest) = self.0.logs.digest_since(&holding.job, holding.log_base.unwrap_or(total)).await?;
        if length < summary.length && !holding.status.is_terminal() {
            return Err(PlaneError::LogBehind(length));
        }
        let equal = length == summary.length && hex::encode(digest).eq_ignore_ascii_case(&summary.sha256);
        if !equal {
            tracing::error!(job.id = %holding.job, length, expected = summary.length, "the stored log is not the runner's");
        }
        Ok((total, Some(equal && summary.dropped_bytes == 0)))
    }

    async fn ended(
        &self,
        runner: &RunnerId,
        id: &JobId,
        attempt: AttemptNo,
        report: StatusReport,
        (log_length, log_complete): (u64, Option<bool>),
    ) -> Result<Reported, PlaneError> {
        let runner = runner.clone();
        let end = move |row: &mut Row, _: Option<&mut Row>| {
            row.holding().check(&runner, attempt)?;
            if row.job.status.is_terminal() {
                return end_again(row, &report);
            }
            row.apply(Event::End(report.status))?;
            row.job.error_message = report.error_message.or(row.job.error_message.take());
            row.job.reason = report.reason.map(|reason| reason.as_str().to_owned());
            row.job.phase = Phase::Ending.max(row.job.phase);
            row.merge_metadata(report.execution_metadata)?;
            (row.job.log_length, row.job.log_complete) = (log_length, log_complete);
            let started = row.job.claimed_at;
            row.job.started_at = row.job.started_at.or(started);
            // By the runner's clock, which may be wrong.
            let now = Timestamp::now();
            row.leave_runner(report.finished_at.map_or(now, |at| at.max(started.unwrap_or(at)).min(now)));
            Ok(Reported::Taken)
        };
        Ok(self.change(id, end).await?.1)
    }

    /// The first line of log says that the job runs.
    pub(crate) async fn first_line(
        &self,
        runner: &RunnerId,
        id: &JobId,
        attempt: AttemptNo,
    ) -> Result<Row, PlaneError> {
        let runner = runner.clone();
        let run = move |row: &mut Row, _: Option<&mut Row>| {
            row.holding().check(&runner, attempt)?;
            if row.job.status == JobStatus::Claimed { begin(row) } else { Ok(()) }
        };
        Ok(self.change(id, run).await?.0)
    }
}

fn begin(row: &mut Row) -> Result<(), PlaneError> {
    row.apply(Event::Run)?;
    row.confirmed = true;
    row.job.started_at = row.job.started_at.or(Some(Timestamp::now()));
    Ok(())
}

/// The commit point: from here on the job is never run again. It is refused when a person wants its end, and when it
/// applies a plan that another job has applied.
fn commit(row: &mut Row, plan: Option<&mut Row>) -> Result<(), PlaneError> {
    if row.job.cancel_requested {
        return Err(PlaneError::Conflict("cancel was requested; nothing was changed".to_owned()));
    }
    if let Some(plan) = plan {
        let used_by = plan.plan_used_by.get_or_insert_with(|| row.job.id.to_string());
        if used_by != row.job.id.as_str() {
            let error = format!("the plan of job {} was already applied by job {used_by}; plan again", plan.job.id);
            return Err(PlaneError::Conflict(error));
        }
    }
    row.job.phase = Phase::Committed;
    Ok(())
}

/// The same end again is fine: its answer got lost. Another end changes nothing; where we had given the job up, what
/// really happened is kept beside it.
fn end_again(row: &mut Row, report: &StatusReport) -> Result<Reported, PlaneError> {
    let given_up = [Reason::OutcomeUnknown, Reason::RunnerLost].map(|reason| reason.as_str().to_owned());
    let was_given_up = row.job.reason.as_ref().is_some_and(|reason| given_up.contains(reason));
    if !was_given_up {
        return if row.job.status == report.status {
            Ok(Reported::Taken)
        } else {
            let error = format!("job {} has ended as {}; that never changes", row.job.id, row.job.status);
            Err(PlaneError::Conflict(error))
        };
    }
    let late = json!({
        "status": report.status,
        "error_message": report.error_message,
        "execution_metadata": report.execution_metadata,
        "finished_at": report.finished_at,
    });
    row.merge_metadata(Some(json!({ "late_report": late })))?;
    let error = format!("job {} was given up as {}; the report was kept beside it", row.job.id, row.job.status);
    Ok(Reported::TooLate(error))
}
