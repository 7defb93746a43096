//! Why a job stands where it stands, for a person who waits.

use serde::Serialize;
use serde_json::Value;
use wire::{Job, JobStatus, RunnerMode, RunnerStatus, Timestamp};

use super::{Claimant, Held, Offer, Queue, Row};
use crate::error::PlaneError;

/// The answer of `GET /api/jobs/{id}/explain`.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// One sentence.
    pub summary: String,
    /// For a job that waits: what each runner has to say to it.
    pub runners: Vec<RunnerView>,
}

/// One runner and a waiting job.
#[derive(Clone, Debug, Serialize)]
pub struct RunnerView {
    /// The runner's name.
    pub name: String,
    /// Why it has not taken the job.
    pub verdict: String,
}

impl Queue {
    /// Why a job stands where it stands.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn explain(&self, row: &Row) -> Result<Explanation, PlaneError> {
        if row.job.status != JobStatus::Queued {
            return Ok(Explanation { summary: self.explain_status(row), runners: Vec::new() });
        }
        if let Some(key) = &row.job.concurrency_key
            && let Some(first) = self.0.store.running_on(row.org(), key).await?
        {
            let summary = format!("job {} ({}) works on the same thing: {key}", first.job.id, first.job.job_type);
            return Ok(Explanation { summary, runners: Vec::new() });
        }
        let offer = Offer::of(&row.job);
        // Asked once, however many runners there are.
        let all_held = self.held().await?;
        let mut runners = Vec::new();
        let mut could = 0;
        for runner in self.0.directory.runners_of(row.org()) {
            let held = || Held::by(&runner.id, &all_held);
            let (busy, claimant) = (held().count(), Claimant::expected(&runner).holding(held()));
            let verdict = match (runner.status(Timestamp::now(), self.0.timings.online), claimant.refusal(&offer)) {
                _ if runner.leaving => "is being taken away and takes no more jobs".to_owned(),
                (RunnerStatus::Offline, _) => "is offline".to_owned(),
                (RunnerStatus::Draining, _) => "is draining and takes no more jobs".to_owned(),
                (RunnerStatus::Online, Some(refusal)) => refusal,
                (RunnerStatus::Online, None) => {
                    could += 1;
                    if busy > 0 {
                        format!("runs {busy} other job(s) and takes this one when a slot is free")
                    } else {
                        "is about to take it".to_owned()
                    }
                }
            };
            runners.push(RunnerView { name: runner.name, verdict });
        }
        let summary = match (runners.len(), could) {
            (0, _) => "no runner is registered; register and start one".to_owned(),
            (_, 0) => "no runner can take this job as things are".to_owned(),
            (_, could) => format!("{could} runner(s) can take this job"),
        };
        Ok(Explanation { summary, runners })
    }

    fn explain_status(&self, row: &Row) -> String {
        let job = &row.job;
        let runner = job.runner_id.as_ref().and_then(|id| self.0.directory.runner(id));
        let keeps_nothing = runner.as_ref().is_some_and(|runner| runner.mode == RunnerMode::CloudHosted);
        let runner =
            runner.map_or("a runner that was removed".to_owned(), |runner| format!("runner {:?}", runner.name));
        let later = || said_later(job, &runner, keeps_nothing);
        let reason = job.error_message.as_deref().unwrap_or("no reason was given");
        match job.status {
            JobStatus::Queued | JobStatus::Claimed => format!("{runner} has taken it and is about to start it"),
            JobStatus::Processing if job.cancel_requested => format!("{runner} was told to stop it and has not yet"),
            JobStatus::Processing => format!("{runner} runs it as attempt {} ({})", job.attempt, job.phase.as_str()),
            JobStatus::Success => format!("{runner} ran it and it succeeded"),
            JobStatus::Failed => format!("it failed: {reason}{}", later()),
            JobStatus::Cancelled => format!("it was cancelled: {reason}{}", later()),
        }
    }
}

/// What the runner of a job that was given up has said of its end since then, and where the rest of it is.
fn said_later(job: &Job, runner: &str, keeps_nothing: bool) -> String {
    let Some(late) = job.execution_metadata.as_ref().and_then(|metadata| metadata.get("late_report")) else {
        return String::new();
    };
    let said = |name: &str| late.get(name).and_then(Value::as_str);
    let status = said("status").unwrap_or("its end");
    let at = said("finished_at").map(|at| format!(" at {at}")).unwrap_or_default();
    let why = said("error_message").map(|why| format!(" ({why})")).unwrap_or_default();
    let said = format!("; later {runner} reported {status}{at}{why}");
    if keeps_nothing {
        return said;
    }
    let kept = format!("jobs/{}.{}.lost in its state directory", job.id, job.attempt);
    format!("{said}; what it still had of log and result it keeps as {kept}")
}
