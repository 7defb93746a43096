//! Watches a job's process, and passes on to it what is wanted of it.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use executor_api::{Stop, StopReason};
use process_supervisor::DetachedProcess;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use wire::{JobId, Phase};

use crate::held_jobs::Order;
use crate::job_directory::JobDirectory;
use crate::life::Life;
use crate::runner::Runner;
use crate::stand_in_outcome;
use crate::time_limit::TIDYING_BY_FORCE;

const WATCH_AGAIN: Duration = Duration::from_secs(5);
/// What a process has that was told to end at once: then an executor blocks its thread, and it hears nothing.
const DEAF: Duration = TIDYING_BY_FORCE.saturating_add(Duration::from_secs(30));

/// Watches the process until it is written down how it ended, and passes on orders to it.
pub(crate) async fn control(
    runner: &Runner,
    directory: &JobDirectory,
    job: &JobId,
    process: Option<DetachedProcess>,
    orders: mpsc::UnboundedReceiver<Order>,
    life: watch::Sender<Life>,
) -> Infallible {
    let ending = async {
        if let Some(process) = &process {
            gone(process).await;
            life.send_replace(Life::Gone);
        }
        stand_in_outcome::complete(directory, job).await;
        life.send_replace(Life::Ended);
        runner.held.one_has_ended.notify_one();
        pending().await
    };
    tokio::select! {
        never = ending => never,
        never = pass_on(orders, directory, process.as_ref(), &life) => never,
    }
}

/// What cannot be watched may live.
async fn gone(process: &DetachedProcess) {
    while let Err(error) = process.ended().await {
        tracing::error!(error = crate::chain(&error), "cannot watch a job's process; trying again");
        tokio::time::sleep(WATCH_AGAIN).await;
    }
}

/// Until it has been told, and however often that fails. Where the process is gone its tools are looked after by
/// [`stand_in_outcome::complete`], which finds the stop.
async fn pass_on(
    mut orders: mpsc::UnboundedReceiver<Order>,
    directory: &JobDirectory,
    process: Option<&DetachedProcess>,
    life: &watch::Sender<Life>,
) -> Infallible {
    // What was wanted of an earlier start may not have been passed on.
    let mut stop: Option<Stop> = directory.stop().ok().flatten();
    let mut told = None;
    let mut deaf_at: Option<Instant> = None;
    loop {
        if let Some(stop) = stop.filter(|_| told != stop) {
            match ask_to_stop(&stop, directory, process) {
                Ok(()) => {
                    told = Some(stop);
                    deaf_at = deaf_at.or_else(|| stop.force.then(|| Instant::now() + DEAF));
                }
                Err(error) => tracing::error!(error = crate::chain(&error), "cannot stop a job; trying again"),
            }
        }
        let order = tokio::select! {
            order = orders.recv() => order,
            () = tokio::time::sleep(WATCH_AGAIN), if told != stop => continue,
            () = tokio::time::sleep_until(deaf_at.unwrap_or_else(Instant::now)), if deaf_at.is_some() => {
                let lives = !life.borrow().is_gone();
                deaf_at = lives.then(|| Instant::now() + WATCH_AGAIN);
                if lives {
                    kill(directory);
                }
                continue;
            }
        };
        let Some(order) = order else { return pending().await };
        if let Some(more) = wanted(order, directory) {
            stop = Some(stop.map_or(more, |was| was.merged(more)));
        }
    }
}

/// A process that has not said who it is may not listen yet, and the signal would end it. It listens, says who it is, and
/// then looks for a stop by itself.
fn ask_to_stop(stop: &Stop, directory: &JobDirectory, process: Option<&DetachedProcess>) -> io::Result<()> {
    directory.ask_to_stop(stop)?;
    match process {
        Some(process) if directory.process()?.is_some() => process.terminate(),
        _ => Ok(()),
    }
}

/// With all that it has started: that it is gone is seen by who watches it, and its end is written down for it.
fn kill(directory: &JobDirectory) {
    let directory_name = directory.root().display();
    tracing::warn!(directory = %directory_name, "a job's process does not hear that it is to end at once; it is killed");
    let killed = directory.process().and_then(|process| process.map_or(Ok(()), |process| process.kill_session()));
    if let Err(error) = killed {
        tracing::error!(error = crate::chain(&error), "cannot kill a job's process; trying again");
    }
}

/// After its commit point a job that was lost is not stopped: what it does must come to its own end.
pub(crate) fn wanted(order: Order, directory: &JobDirectory) -> Option<Stop> {
    match order {
        Order::Stop(stop) => Some(stop),
        Order::Lost if directory.phase() == Phase::Preparing => {
            Some(Stop { reason: StopReason::LeaseLost, force: false })
        }
        Order::Lost => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use serde_json::json;
    use wire::JobStatus;

    use process_supervisor::{Command, Environment, spawn_detached};

    use super::*;
    use crate::delivery::tests::session_in;
    use crate::heartbeat::tests::runner_for;
    use crate::job_directory::{Claimed, OUTCOME, OutcomeRecord, PROCESS_OUTPUT};

    fn sh(script: &str, directory: &JobDirectory) -> DetachedProcess {
        let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
        let command = Command::new("/bin/sh", env, directory.root()).args(["-c", script]);
        spawn_detached(&command, &directory.file(PROCESS_OUTPUT)).unwrap()
    }

    #[tokio::test]
    async fn a_process_that_has_not_said_who_it_is_gets_no_signal() {
        for (has_said, prints) in [(false, "it lives\n"), (true, "")] {
            let folder = tempfile::tempdir().unwrap();
            let claimed = Claimed::of(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 1 }));
            let directory = JobDirectory::of(folder.path(), &claimed);
            directory.create(&claimed).unwrap();
            sh("mkfifo gate", &directory).ended().await.unwrap();
            let process = sh("read -r line <gate; echo it lives", &directory);
            if has_said {
                drop(directory.claim_process().unwrap());
            }
            let wanted = Stop { reason: StopReason::CancelledByUser, force: false };
            ask_to_stop(&wanted, &directory, Some(&process)).unwrap();
            assert_eq!(directory.stop().unwrap(), Some(wanted), "it finds that by itself");
            // For reading, too: then this waits for nobody.
            let mut gate = OpenOptions::new().read(true).write(true).open(directory.file("gate")).unwrap();
            gate.write_all(b"go\n").unwrap();
            process.ended().await.unwrap();
            assert_eq!(fs::read_to_string(directory.file(PROCESS_OUTPUT)).unwrap(), prints);
        }
    }

    /// As one whose executor blocks its only thread. The clock stands still.
    #[tokio::test(start_paused = true)]
    async fn a_process_that_hears_nothing_is_ended_by_force_alone() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner_for("http://127.0.0.1:1", folder.path()).await;
        let claimed = Claimed::of(json!({ "id": "j", "job_type": "test", "status": "PROCESSING", "attempt": 1 }));
        let directory = JobDirectory::of(folder.path(), &claimed);
        directory.create(&claimed).unwrap();
        let (process, identity) = session_in(folder.path(), "trap '' TERM; read -r line <gate");
        directory.place("process.json", &identity).unwrap();
        // It is deaf when it waits here.
        let _gate = tokio::fs::OpenOptions::new().write(true).open(folder.path().join("gate")).await.unwrap();

        let (orders, received) = mpsc::unbounded_channel();
        let (life, mut lives) = watch::channel(Life::Lives);
        let controlled = control(&runner, &directory, &claimed.job.id, Some(process), received, life);
        let asked = async {
            for (force, ends) in [(false, false), (true, true)] {
                orders.send(Order::Stop(Stop { reason: StopReason::CancelledByUser, force })).unwrap();
                let day = Duration::from_secs(24 * 3600);
                let ended = tokio::time::timeout(day, lives.wait_for(|life| life.has_ended())).await;
                assert_eq!(ended.is_ok(), ends, "force: {force}");
            }
        };
        tokio::select! {
            never = controlled => match never {},
            () = asked => {}
        }
        let outcome: OutcomeRecord = directory.read(OUTCOME).unwrap().unwrap();
        assert_eq!(outcome.status, JobStatus::Cancelled);
    }
}
