//! What a restart finds: job directories of an earlier start of this runner.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use process_supervisor::DetachedProcess;
use tokio::task::JoinSet;

use crate::dispatch;
use crate::job_directory::{JobDirectory, OUTCOME};
use crate::oidc_token::Renewal;
use crate::runner::Runner;

/// Takes up every job that is there: running, ended or lost.
pub(crate) fn adopt_all(runner: &Arc<Runner>, jobs: &mut JoinSet<()>) -> io::Result<()> {
    for entry in fs::read_dir(&runner.jobs_dir)? {
        let directory = JobDirectory::at(entry?.path());
        if directory.is_gone() {
            // It may be a large tree, and nobody waits for it.
            tokio::task::spawn_blocking(move || say_what_is_left(&directory, directory.finish_removal()));
            continue;
        }
        if directory.is_lost() {
            // Once more, for a runner that was killed in between.
            say_what_is_left(&directory, directory.forget_what_was_given());
            continue;
        }
        if let Err(error) = adopt(runner, &directory, jobs) {
            tracing::error!(error = crate::chain(&error), directory = %directory.root().display(), "cannot take up a job; left as it is");
        }
    }
    Ok(())
}

fn say_what_is_left(directory: &JobDirectory, tidied: io::Result<()>) {
    if let Err(error) = tidied {
        tracing::error!(error = crate::chain(&error), directory = %directory.root().display(), "secrets of a job that is over may be left");
    }
}

fn adopt(runner: &Arc<Runner>, directory: &JobDirectory, jobs: &mut JoinSet<()>) -> io::Result<()> {
    let Some(claimed) = directory.claimed()? else {
        // Nothing was started: the plane gives the job to somebody after half a minute.
        return directory.remove();
    };
    let found = Found::look(directory, JobDirectory::says_who_ran(&claimed)?)?;
    tracing::info!(job.id = %claimed.job.id, attempt = claimed.job.attempt, state = found.as_str(), "taking up a job of an earlier start");
    let runner = Arc::clone(runner);
    match found {
        Found::NotStarted(directory) => {
            let claimed = Arc::new(directory.bring_up_to_date(claimed)?);
            let orders = runner.held.hold(&claimed.job.id, claimed.job.attempt_no(), &directory);
            let begun = dispatch::begin(Arc::clone(&runner), directory, claimed, orders);
            jobs.spawn(dispatch::run(runner, begun));
        }
        Found::Started(process) => {
            if process.is_none() {
                directory.free_former_reserve();
            }
            let claimed = Arc::new(claimed);
            let orders = runner.held.hold(&claimed.job.id, claimed.job.attempt_no(), directory);
            let renewal = Renewal::of_adopted(&runner, &claimed, directory);
            let attended = dispatch::attend(Arc::clone(&runner), directory.clone(), claimed, process, renewal, orders);
            jobs.spawn(dispatch::run(runner, attended));
        }
    }
    Ok(())
}

/// How far a job had come when its runner went away.
enum Found {
    /// It has a directory, and no process.
    NotStarted(JobDirectory),
    /// Its process, if that still lives.
    Started(Option<DetachedProcess>),
}

impl Found {
    /// What happened before this boot, nobody knows: a power cut may have taken what a process said of itself.
    fn look(directory: &JobDirectory, says_who_ran: bool) -> io::Result<Self> {
        loop {
            if let Some(identity) = directory.process()? {
                return Ok(Self::Started(DetachedProcess::adopt(&identity)?));
            }
            if directory.has(OUTCOME) || !says_who_ran {
                return Ok(Self::Started(None));
            }
            if let Some(taken) = directory.take_back()? {
                return Ok(Self::NotStarted(taken));
            }
            // A process was started just now, and is about to say who it is.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::NotStarted(_) => "it was not started yet",
            Self::Started(Some(_)) => "it runs",
            Self::Started(None) => "its process has ended",
        }
    }
}
