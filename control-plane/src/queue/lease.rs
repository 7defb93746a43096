//! Who holds what for how long: heartbeats extend leases, the reaper ends them.

use std::collections::HashSet;
use std::sync::PoisonError;

use wire::{CancelOrder, Heartbeat, HeldJob, JobId, JobStatus, Phase, RunnerId, Timestamp};

use super::reaper::{Fate, fate, were_away};
use super::transitions::Event;
use super::{Claimant, Held, Queue, Row};
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::state::Actor;

/// The seed's runners stop a job after two hours. One that takes longer to end says something in its log.
const SEED_WORKS_FOR_US: i64 = 3 * 3600 * 1_000_000;

impl Queue {
    /// Extends the leases of the jobs that a runner names, and says which of them are not its own any more.
    pub(crate) async fn extend_leases(
        &self,
        runner: &RunnerId,
        heartbeat: &Heartbeat,
    ) -> Result<Vec<HeldJob>, PlaneError> {
        let held = self.held_by(runner).await?;
        let named = match heartbeat.protocol {
            Some(_) => heartbeat.jobs.clone(),
            None => self.speaks_for(runner, heartbeat.current_job_id.as_ref(), &held).await?,
        };
        let is_named = |held: &Held| named.iter().any(|job| job.id == held.id && job.attempt == held.attempt);
        for held in held.iter().filter(|held| is_named(held)) {
            self.sign_of_life(&held.id);
            if !held.confirmed {
                self.confirm(runner, held).await?;
            }
        }
        let is_held = |job: &HeldJob| held.iter().any(|held| held.id == job.id && held.attempt == job.attempt);
        let lost = named.iter().filter(|job| !is_held(job));
        let mut really_lost = Vec::new();
        for job in lost {
            // A job whose end we know already is not lost: the runner has yet to hear that we know. One that we have ended before
            // its commit point is: nobody wants what it would do.
            let ended_here = self.0.store.find(&job.id).await?.is_some_and(|row| {
                row.job.status.is_terminal()
                    && row.job.phase != Phase::Preparing
                    && row.job.runner_id.as_ref() == Some(runner)
                    && row.job.attempt_no() == job.attempt
            });
            if !ended_here {
                really_lost.push(job.clone());
            }
        }
        Ok(really_lost)
    }

    /// What a runner of the seed's contract speaks for with a heartbeat: it runs one job at a time. Of the jobs that it held
    /// before, the last report got lost.
    pub(super) async fn speaks_for(
        &self,
        runner: &RunnerId,
        said: Option<&JobId>,
        held: &[Held],
    ) -> Result<Vec<HeldJob>, PlaneError> {
        let current = match said {
            _ if held.is_empty() => return Ok(Vec::new()),
            Some(said) => Some(said.clone()),
            None => self.0.store.last_claim(runner).await?,
        };
        let speaks_for = |held: &&Held| {
            let age = held.claimed_at.map_or(i64::MAX, |at| Timestamp::now().as_micros() - at.as_micros());
            // It lives; but whether it ever got the answer to that claim nobody knows.
            held.confirmed && Some(&held.id) == current.as_ref() && age < SEED_WORKS_FOR_US
        };
        let held_job = |held: &Held| HeldJob { id: held.id.clone(), attempt: held.attempt, phase: held.phase };
        Ok(held.iter().filter(speaks_for).map(held_job).collect())
    }

    async fn confirm(&self, runner: &RunnerId, held: &Held) -> Result<(), PlaneError> {
        let (runner, attempt) = (runner.clone(), held.attempt);
        let confirm = move |row: &mut Row, _: Option<&mut Row>| {
            row.holding().check(&runner, attempt)?;
            row.confirmed = true;
            Ok(())
        };
        match self.change(&held.id, confirm).await {
            // It was given away in this very moment; the next heartbeat says so.
            Ok(_) | Err(PlaneError::LeaseLost { .. } | PlaneError::NotYours) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What a runner is to stop.
    pub(crate) async fn cancel_orders(&self, runner: &RunnerId) -> Result<Vec<CancelOrder>, PlaneError> {
        let held = self.held_by(runner).await?;
        let cancelled = held.into_iter().filter(|held| held.cancel_requested);
        let order = |held: Held| CancelOrder { attempt: held.attempt, job_id: held.id, force: held.cancel_force };
        Ok(cancelled.map(order).collect())
    }

    /// Ends the leases of runners that are lost, and decides what becomes of their jobs. Says how many wait again. While
    /// we were away nobody could reach us: then every lease begins again, and nothing was heard later than now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn reap(&self, now: Timestamp) -> Result<u64, PlaneError> {
        let mut looked = self.0.looked.lock().await;
        let mut recovered = 0;
        if were_away(*looked, now, self.0.timings.reap_every) {
            self.begin_leases_again(now).await?;
        } else {
            recovered = self.end_leases(now).await?;
        }
        *looked = now;
        Ok(recovered)
    }

    async fn begin_leases_again(&self, now: Timestamp) -> Result<(), PlaneError> {
        self.0.store.renew_leases(self.lease_from(now)).await?;
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for runner in self.0.directory.all_runners() {
            let not_later = |runner: &mut Runner| runner.last_heartbeat = runner.last_heartbeat.min(Some(now));
            match self.0.directory.heard(&runner.id, not_later, |_, _| false).await {
                Ok(_) | Err(PlaneError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn end_leases(&self, now: Timestamp) -> Result<u64, PlaneError> {
        let held = self.held().await?;
        self.forget_signs(&held);
        let mut recovered = 0;
        for held in held {
            let Some(fate) = fate(&held, self.last_seen(&held), now, &self.0.timings) else { continue };
            match self.carry_out(&held, fate, now).await {
                Ok(waits_again) => recovered += u64::from(waits_again),
                // The others are not to wait for this one.
                Err(error) => tracing::error!(%error, job.id = %held.id, "could not look after a lost job"),
            }
        }
        Ok(recovered)
    }

    fn forget_signs(&self, held: &[Held]) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > held.len() {
            let held: HashSet<_> = held.iter().map(|held| &held.id).collect();
            seen.retain(|id, _| held.contains(id));
        }
    }

    /// Does it, unless the runner has come back meanwhile. Says whether the job waits again.
    pub(super) async fn carry_out(&self, held: &Held, decided: Fate, now: Timestamp) -> Result<bool, PlaneError> {
        let id = held.id.clone();
        let text = self.explain_fate(held, decided).await;
        let log_length = self.0.logs.length(&id).await;
        let log_length = log_length
            .inspect_err(|error| tracing::error!(%error, job.id = %id, "cannot read the log of a lost job"))
            .ok();
        let queue = self.clone();
        let may_wait = held.request_id.is_some() || self.somebody_names_attempts(held.org.as_deref());
        let end = move |row: &mut Row, _: Option<&mut Row>| {
            let held = Held::of(row);
            if fate(&held, queue.last_seen(&held), now, &queue.0.timings) != Some(decided) {
                return Err(PlaneError::Conflict("its runner came back while we looked".to_owned()));
            }
            row.apply(match decided {
                Fate::Requeue if may_wait => Event::Requeue,
                Fate::Cancel => Event::GiveUp(JobStatus::Cancelled),
                Fate::Requeue | Fate::TooManyAttempts | Fate::Unknown => Event::GiveUp(JobStatus::Failed),
            })?;
            row.job.reason = Some(decided.reason().as_str().to_owned());
            if row.job.status.is_terminal() {
                row.job.error_message = Some(text);
                row.job.log_complete = Some(false);
                row.job.log_length = log_length.unwrap_or(row.job.log_length);
            }
            row.leave_runner(now);
            Ok(())
        };
        match self.change(&id, end).await {
            Ok((row, ())) => {
                tracing::warn!(job.id = %id, attempt = row.job.attempt, fate = ?decided, "the runner of a job is lost");
                Ok(row.job.status == JobStatus::Queued)
            }
            Err(PlaneError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether anybody may take what is no first attempt. What nobody may ever take waits for nothing.
    fn somebody_names_attempts(&self, org: Option<&str>) -> bool {
        let runners = org.map_or_else(|| self.0.directory.all_runners(), |org| self.0.directory.runners_of(org));
        runners.iter().any(|runner| Claimant::expected(runner).names_attempts)
    }

    /// Says what can be found out: the job ends all the same.
    async fn explain_fate(&self, held: &Held, fate: Fate) -> String {
        let runner = held.runner.as_ref().and_then(|id| self.0.directory.runner(id));
        let runner = runner.map_or("its runner".to_owned(), |runner| format!("runner {:?}", runner.name));
        match fate {
            // A job that waits again says nothing.
            Fate::Requeue => format!(
                "{runner} was lost, and no runner here can name a second attempt, as those of the seed's contract cannot; \
                 submit the job again"
            ),
            Fate::Cancel => format!("cancelled by a user; {runner} was lost before anything was changed"),
            Fate::TooManyAttempts => {
                format!(
                    "{runner} was lost, and so were the runners of {} attempts before; not run again",
                    held.attempt.0 - 1
                )
            }
            Fate::Unknown => {
                let when = match held.phase {
                    Phase::Preparing => "while the job ran",
                    Phase::Committed => "after the job's commit point",
                    Phase::Ending => "after its tool had ended",
                };
                let (seen, locks) = (self.last_seen(held), self.locks_of(&held.id).await);
                format!(
                    "{runner} was lost {when} and last heard of at {seen}: nobody knows how far it came.{locks} \
                     Look at the log and at what it manages, then plan again"
                )
            }
        }
    }

    async fn locks_of(&self, id: &JobId) -> String {
        let held = self.0.states.held_by_job(id).await;
        let held =
            held.inspect_err(|error| tracing::error!(%error, job.id = %id, "cannot read the locks of a lost job"));
        let held = held.unwrap_or_default();
        let shown = held.iter().map(|(name, held)| {
            let attempt = match &held.holder {
                Actor::Attempt { attempt, .. } => format!(" (attempt {attempt})"),
                Actor::User { .. } => String::new(),
            };
            format!(" It still holds the lock {:?} of state {name:?}{attempt}.", held.info.id)
        });
        shown.collect()
    }
}
