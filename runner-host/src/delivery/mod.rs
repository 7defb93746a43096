//! Delivers what a job leaves in its directory: commit point, log, outbox, outcome. For days, if it must.

mod commit;
mod log;
mod outbox;
mod outcome;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::StatusCode;
use tokio::sync::watch;
use wire::{AttemptNo, Claim, JobId, JobStatus, Reason};

use crate::claim::Room;
use crate::client::{ClientError, Verdict};
use crate::dialect::Dialect;
use crate::directory_watch::Changes;
use crate::job_directory::{Claimed, JobDirectory, OUTCOME, OutcomeRecord};
use crate::life::Life;
use crate::runner::Runner;

use log::LogDelivery;

/// Lines come in bursts: one request for many of them costs runner and plane less, and nobody sees a line later for it
/// that comes alone.
const BURST: Duration = Duration::from_millis(5);
/// How often it is sent again, what may have been damaged on its way.
const TRIES_OF_DAMAGED: u32 = 2;
/// After so many answers of 500 a plane of the seed's contract is asked whose a job is.
const TRIES_OF_THE_SEEDS: u32 = 3;
/// Behind the events of the file system.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How it came out.
pub(crate) enum Delivered {
    /// The plane has acknowledged all of it.
    All(Taken),
    /// The plane takes nothing more of this attempt.
    Refused {
        /// What it said.
        why: String,
    },
}

/// An end that the plane has taken.
pub(crate) struct Taken {
    /// How the job ended.
    pub(crate) status: JobStatus,
    /// What the plane has for us next.
    pub(crate) claim: Option<Box<Claim>>,
}

/// Why delivering stopped.
pub(crate) enum Stopped {
    /// The plane takes nothing more of this attempt.
    Refused(String),
    /// Our own disk.
    Disk(std::io::Error),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

/// What all deliveries of a job need.
pub(crate) struct Delivery<'a> {
    pub(crate) runner: &'a Runner,
    pub(crate) directory: &'a JobDirectory,
    pub(crate) job: &'a JobId,
    pub(crate) attempt: AttemptNo,
    pub(crate) dialect: Dialect,
}

/// Delivers until the end is acknowledged, or the plane takes nothing more.
pub(crate) async fn run(
    runner: &Runner,
    directory: &JobDirectory,
    claimed: &Claimed,
    life: watch::Receiver<Life>,
) -> Delivered {
    let delivery = Delivery::of(runner, directory, claimed).await;
    loop {
        match delivery.run(life.clone()).await {
            Ok(taken) => return Delivered::All(taken),
            Err(Stopped::Refused(why)) => return Delivered::Refused { why },
            Err(Stopped::Disk(error)) => {
                tracing::error!(error = crate::chain(&error), job.id = %delivery.job, "cannot read a job's directory; trying again");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Until the plane has heard that the job runs.
///
/// # Errors
/// Why it takes nothing of this attempt.
pub(crate) async fn say_that_it_runs(
    runner: &Runner,
    directory: &JobDirectory,
    claimed: &Claimed,
) -> Result<(), String> {
    let said = outcome::say_that_it_runs(&Delivery::of(runner, directory, claimed).await).await;
    said.map_err(|stopped| match stopped {
        Stopped::Refused(why) => why,
        Stopped::Disk(error) => crate::chain(&error),
    })
}

/// Delivers once more what was refused, now that the job has ended: it may have been refused by mistake, or by somebody on
/// the way who speaks as the plane does. A plane that has really given the attempt up is told how it ended: it keeps that
/// beside the job, and refuses the report all the same.
pub(crate) async fn say_late(runner: &Runner, directory: &JobDirectory, claimed: &Claimed) -> Delivered {
    let delivered = run(runner, directory, claimed, watch::channel(Life::Ended).1).await;
    let delivery = Delivery::of(runner, directory, claimed).await;
    if delivery.dialect == Dialect::Two && matches!(delivered, Delivered::Refused { .. }) {
        let _ = outcome::deliver(&delivery, None, None).await;
    }
    delivered
}

impl<'a> Delivery<'a> {
    async fn of(runner: &'a Runner, directory: &'a JobDirectory, claimed: &'a Claimed) -> Self {
        let (job, attempt) = (&claimed.job.id, claimed.job.attempt_no());
        Self { runner, directory, job, attempt, dialect: runner.dialect().await }
    }

    async fn run(&self, life: watch::Receiver<Life>) -> Result<Taken, Stopped> {
        let changes = self.runner.directory_watch.changes_in(self.directory.root());
        tokio::select! {
            // Beside the rest: who waits for a yes does not wait for a log that the plane is slow to take.
            stopped = commit::deliver_when_asked(self, changes.subscribe(), life.clone()) => Err(stopped),
            ending = self.deliver_the_rest(&changes, life) => ending,
        }
    }

    async fn deliver_the_rest(&self, changes: &Changes, life: watch::Receiver<Life>) -> Result<Taken, Stopped> {
        let mut log = LogDelivery::open(self).await?;
        // A plane of the seed's contract takes an end back that it has already; whether it has, nobody knows any more.
        if self.dialect == Dialect::Seed && !self.directory.has(OUTCOME) {
            outcome::say_that_it_runs(self).await?;
        }
        loop {
            let (all_log, all_outbox) = (Signs::new(changes, &life), Signs::new(changes, &life));
            let room = self.room_for_the_next(life.clone());
            // Side by side: nobody who follows a log waits for a plan of 100 MB.
            let delivered =
                tokio::try_join!(self.deliver_log(&mut log, all_log), self.deliver_outbox(all_outbox), room);
            let ((), (), room) = delivered?;
            match outcome::deliver(self, log.given_up_at(), room).await? {
                outcome::Answer::Taken(taken) => return Ok(taken),
                outcome::Answer::LogBehind(offset) => log.go_on_from(offset).await?,
            }
        }
    }

    /// Looked at when the job has ended, while the rest of it is on its way. A plane of the seed's contract gives no job with its
    /// answer.
    async fn room_for_the_next(&self, mut life: watch::Receiver<Life>) -> Result<Option<Room>, Stopped> {
        let _ = life.wait_for(|life| life.has_ended()).await;
        Ok(if self.dialect == Dialect::Two { Some(Room::look(self.runner).await) } else { None })
    }

    async fn deliver_log(&self, log: &mut LogDelivery<'_>, mut signs: Signs) -> Result<(), Stopped> {
        loop {
            let is_all = signs.is_all_written();
            if log.deliver_some().await? {
                if !log.has_much()? {
                    signs.of_the_end(BURST).await;
                }
                continue;
            }
            if is_all {
                return Ok(());
            }
            signs.of_more().await;
        }
    }

    async fn deliver_outbox(&self, mut signs: Signs) -> Result<(), Stopped> {
        loop {
            let is_all = signs.is_all_written();
            if outbox::deliver_one(self).await? {
                continue;
            }
            if is_all {
                return Ok(());
            }
            signs.of_more().await;
        }
    }

    /// Tries until the plane has answered. The inner error is about what was sent: that costs itself, not the job.
    pub(crate) async fn insist<T, F, W>(&self, what: &str, mut call: F) -> Result<Result<T, ClientError>, Stopped>
    where
        F: FnMut() -> W,
        W: Future<Output = Result<T, ClientError>>,
    {
        let (mut pauses, mut tries, mut fails) = (pauses().build(), 0, 0);
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => error,
            };
            match error.verdict() {
                Verdict::Again => {}
                Verdict::MayBeDamaged if tries < TRIES_OF_DAMAGED => tries += 1,
                Verdict::MayBeDamaged | Verdict::CostsItself => return Ok(Err(error)),
                Verdict::Refused => return Err(refused(&error)),
            }
            fails += u32::from(error.status() == Some(StatusCode::INTERNAL_SERVER_ERROR));
            if fails >= TRIES_OF_THE_SEEDS && self.is_given_away().await {
                return Err(refused(&error));
            }
            let pause = pauses.next().unwrap_or(LOOK_AGAIN) + error.pause();
            say(what, &error, pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a plane of the seed's contract says so. To a write it answers no more than 500.
    async fn is_given_away(&self) -> bool {
        if self.dialect != Dialect::Seed {
            return false;
        }
        let Ok(job) = self.runner.client.job(self.job).await else { return false };
        let is_anothers = job.runner_id.is_some_and(|owner| owner != self.runner.config.runner_id);
        let may_come_back = self.runner.takes_more() && self.has_its_end();
        is_anothers || (job.status == JobStatus::Queued && !may_come_back)
    }

    /// Whether there is an end that a plane which has taken the job back will take when it gives us the job again. None of a
    /// job that was stopped because it is not ours.
    fn has_its_end(&self) -> bool {
        let outcome: std::io::Result<Option<OutcomeRecord>> = self.directory.read(OUTCOME);
        outcome.is_ok_and(|outcome| outcome.is_some_and(|outcome| outcome.reason != Some(Reason::LeaseLost)))
    }
}

/// How somebody who delivers hears that there may be more.
struct Signs {
    changes: watch::Receiver<()>,
    life: watch::Receiver<Life>,
}

impl Signs {
    fn new(changes: &Changes, life: &watch::Receiver<Life>) -> Self {
        Self { changes: changes.subscribe(), life: life.clone() }
    }

    /// Whether the job writes nothing more. Asked before one looks for what there is: that is then all of it.
    fn is_all_written(&mut self) -> bool {
        self.changes.mark_unchanged();
        self.life.borrow_and_update().has_ended()
    }

    /// Waits for `pause`, unless the job ends.
    async fn of_the_end(&mut self, pause: Duration) {
        let ended = self.life.wait_for(|life| life.has_ended());
        let _ = tokio::time::timeout(pause, ended).await;
    }

    async fn of_more(&mut self) {
        tokio::select! {
            _ = self.changes.changed() => {}
            _ = self.life.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// What a refusal means for the whole attempt.
pub(crate) fn refused(error: &ClientError) -> Stopped {
    Stopped::Refused(crate::chain(error))
}

pub(crate) fn pauses() -> ExponentialBuilder {
    crate::pauses::pauses(Duration::from_millis(100), Duration::from_secs(10))
}

pub(crate) fn say(what: &str, error: &ClientError, pause: Duration) {
    tracing::warn!(error = crate::chain(error), pause_ms = pause.as_millis(), "cannot {what}; trying again");
}
