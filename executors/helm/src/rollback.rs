//! Going back to an earlier revision.

use std::time::Duration;

use executor_api::ExecutorError;

use crate::change::Change;
use crate::helm::{Helm, When, names, seconds};
use crate::pending::last_deployed;
use crate::release::Release;
use crate::report::ReleaseReport;

/// Going back.
#[derive(Clone, Debug)]
pub struct RollbackOptions {
    /// Which release.
    pub release: Release,
    /// Where to; the last revision before the current one that was deployed if missing.
    pub revision: Option<u32>,
    /// Return when all is ready.
    pub wait: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
    /// Bring it into a known state if it is cut off.
    pub recover_pending: bool,
}

impl Helm<'_> {
    /// Goes back to an earlier revision. Where `revision` is given, also from a state that somebody left pending.
    ///
    /// # Errors
    /// If helm fails, or there is nothing to go back to.
    pub async fn rollback(&self, options: &RollbackOptions) -> Result<ReleaseReport, ExecutorError> {
        let release = &options.release;
        let Some(before) = self.state(When::Working, release).await? else {
            return Err(ExecutorError::invalid("/release", format!("there is no release {release}")));
        };
        let history = self.history(When::Working, release).await?;
        let target = match options.revision {
            Some(revision) if history.iter().any(|one| one.revision == revision) => revision,
            Some(_) => {
                let known: Vec<_> = history.iter().map(|one| one.revision.to_string()).collect();
                let error = format!("release {release} has no such revision; it has {}", known.join(", "));
                return Err(ExecutorError::invalid("/revision", error));
            }
            None if before.status.is_pending() && !self.is_own(When::Working, release, before.revision).await? => {
                return Err(self.refusal(release, &before).await?);
            }
            None => last_deployed(&history, before.revision).ok_or_else(|| {
                let error = format!("no revision of release {release} before {} was deployed", before.revision);
                ExecutorError::invalid("/release", error)
            })?,
        };
        self.tell_pending(release, Some(&before));
        let command = self.command(&["rollback"], release).arg(seconds(options.timeout));
        let command = if options.wait { command.arg("--wait") } else { command };
        let command = names(command, [release.name(), &target.to_string()]);
        let (before, mends) = (Some(before), options.recover_pending);
        self.carry_out(&Change { release, verb: "rollback", command, before, rolls_back: true, mends }).await?;
        Ok(self.report_success(release).await)
    }
}
