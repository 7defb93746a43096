//! One step that changes a release: carried out once its commit point is passed, tried again only while it has changed
//! nothing.

use executor_api::{Command, ExecutorError};

use crate::helm::{Helm, failure};
use crate::output::Listed;
use crate::release::Release;
use crate::retry::{Failure, patiently};
use crate::settle::Settled;

/// What is to be changed, and how it was before.
pub(crate) struct Change<'o> {
    pub(crate) release: &'o Release,
    /// Helm's word for it.
    pub(crate) verb: &'static str,
    pub(crate) command: Command,
    pub(crate) before: Option<Listed>,
    /// It may leave a rollback pending, which carries no mark of ours.
    pub(crate) rolls_back: bool,
    /// Mend what it leaves pending when it is cut off.
    pub(crate) mends: bool,
}

impl Helm<'_> {
    /// What is done all the same is to be seen in the log.
    pub(crate) fn tell_pending(&self, release: &Release, before: Option<&Listed>) {
        if let Some(Listed { status, revision, updated, .. }) = before.filter(|last| last.status.is_pending()) {
            self.job.log().system(format!("release {release} is {status} since {updated} (revision {revision})"));
        }
    }

    pub(crate) async fn carry_out(&self, change: &Change<'_>) -> Result<(), ExecutorError> {
        self.job.commit_point().await?;
        patiently(self.job, async || self.try_once(change).await).await
    }

    pub(crate) async fn try_once(&self, change: &Change<'_>) -> Result<(), Failure> {
        let failure = match self.job.run(change.command.clone()).await {
            Ok(finished) if finished.exit.is_success() => return Ok(()),
            Ok(finished) => failure(change.verb, &finished),
            Err(error @ ExecutorError::Stopped(_)) => Failure::Final(error),
            Err(error) => return Err(Failure::Final(error)),
        };
        match (self.settle(change).await, failure) {
            (Settled::Untouched, failure) => Err(failure),
            (Settled::Touched(text), failure) => Err(Failure::Final(with_text(failure.into(), &text))),
        }
    }
}

pub(crate) fn with_text(error: ExecutorError, text: &str) -> ExecutorError {
    match error {
        ExecutorError::ToolFailed { tool, exit, message } => {
            let line = if message.is_empty() { "" } else { "\n" };
            ExecutorError::ToolFailed { tool, exit, message: format!("{message}{line}{text}") }
        }
        other => other,
    }
}
