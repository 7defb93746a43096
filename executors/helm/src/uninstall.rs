//! Taking a release away.

use std::time::Duration;

use executor_api::{Command, ExecutorError};

use crate::change::Change;
use crate::helm::{Helm, When, names, seconds};
use crate::output::Status;
use crate::release::Release;

/// Taking away.
#[derive(Clone, Debug)]
pub struct UninstallOptions {
    /// Which release.
    pub release: Release,
    /// Keep its history, so that it can be rolled back to.
    pub keep_history: bool,
    /// Return when all is gone.
    pub wait: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
}

impl Helm<'_> {
    /// Takes a release away, in whatever state it is. False if there is none.
    ///
    /// # Errors
    /// If helm fails.
    pub async fn uninstall(&self, options: &UninstallOptions) -> Result<bool, ExecutorError> {
        let release = &options.release;
        let before = self.state(When::Working, release).await?;
        let is_there = match before.as_ref().map(|last| last.status) {
            None => false,
            Some(Status::Uninstalled) => !options.keep_history,
            Some(_) => true,
        };
        if !is_there {
            self.job.log().system(format!("there is no release {release}; nothing to do"));
            return Ok(false);
        }
        self.tell_pending(release, before.as_ref());
        let command = self.uninstall_command(release, options.timeout, options.wait);
        let command = if options.keep_history { command.arg("--keep-history") } else { command };
        let command = names(command, [release.name()]);
        self.carry_out(&Change { release, verb: "uninstall", command, before, rolls_back: false, mends: false })
            .await?;
        Ok(true)
    }

    /// Without the name at its end.
    pub(crate) fn uninstall_command(&self, release: &Release, timeout: Duration, wait: bool) -> Command {
        let command = self.command(&["uninstall"], release).arg(seconds(timeout));
        if wait { command.arg("--wait") } else { command }
    }
}
