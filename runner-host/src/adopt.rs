//! What a restart finds: job directories of an earlier start of this runner.

use std::fs;
use std::io;
use std::sync::Arc;

use process_supervisor::DetachedProcess;
use tokio::task::JoinSet;

use crate::dispatch;
use crate::job_directory::{CLAIM, Claimed, FORMAT, JobDirectory, OUTCOME};
use crate::runner::Runner;

/// Takes up every job that is there: running, ended or lost.
pub(crate) fn adopt_all(runner: &Arc<Runner>, jobs: &mut JoinSet<()>) -> io::Result<()> {
    for entry in fs::read_dir(&runner.jobs_dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "lost") {
            continue;
        }
        let directory = JobDirectory::at(path);
        if let Err(error) = adopt(runner, &directory, jobs) {
            tracing::error!(error = crate::chain(&error), directory = %directory.root().display(), "cannot take up a job; left as it is");
        }
    }
    Ok(())
}

fn adopt(runner: &Arc<Runner>, directory: &JobDirectory, jobs: &mut JoinSet<()>) -> io::Result<()> {
    let Some(claimed) = directory.read::<Claimed>(CLAIM)? else {
        // Nothing was started: the plane gives the job to somebody after half a minute.
        return directory.remove();
    };
    if !matches!(directory.format(), Some(format) if format == FORMAT || format + 1 == FORMAT) {
        return Err(io::Error::other(format!(
            "its format is {:?}; start the version that made it",
            directory.format()
        )));
    }
    let process = living_process(directory)?;
    let state = match (&process, directory.has(OUTCOME)) {
        (Some(_), _) => "it runs",
        (None, true) => "it has ended",
        (None, false) => "its process is gone",
    };
    tracing::info!(job.id = %claimed.job.id, attempt = claimed.job.attempt, state, "taking up a job of an earlier start");
    let orders = runner.hold(&claimed.job.id, claimed.job.attempt_no(), directory);
    jobs.spawn(dispatch::attend(Arc::clone(runner), directory.clone(), claimed, process, orders));
    Ok(())
}

/// The job's process, if it lives. One that was started but has not said yet who it is finds an outcome when it does,
/// and ends; if it was quicker than we, it is taken up after all.
fn living_process(directory: &JobDirectory) -> io::Result<Option<DetachedProcess>> {
    if directory.process()?.is_none() && !directory.has(OUTCOME) {
        dispatch::write_lost_outcome(directory)?;
        if directory.process()?.is_some() {
            fs::remove_file(directory.file(OUTCOME))?;
        }
    }
    match directory.process()? {
        Some(identity) => DetachedProcess::adopt(&identity),
        None => Ok(None),
    }
}
