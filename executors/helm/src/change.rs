//! One step that changes a release: carried out once its commit point is passed, tried again only while it has changed
//! nothing.

use std::time::Duration;

use executor_api::{Command, ExecutorError};

use crate::helm::{Helm, RollbackOptions, UninstallOptions, UpgradeOptions, When, failure, names, seconds};
use crate::output::{Listed, Status, TestRun};
use crate::pending::{last_deployed, marks};
use crate::release::Release;
use crate::report::{ReleaseReport, Resources};
use crate::retry::{Failure, patiently};
use crate::settle::Settled;
use crate::values;

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
    /// Installs or upgrades a release.
    ///
    /// A release that a dead attempt of this job left pending is mended first; one that somebody else left or works on
    /// is refused. Passes the job's commit point directly before the first change. If it is cut off, the release is
    /// brought into a known state, and the log says which.
    ///
    /// # Errors
    /// If helm fails, or the release is pending.
    pub async fn upgrade(&self, options: &UpgradeOptions<'_>) -> Result<ReleaseReport, ExecutorError> {
        let release = &options.release;
        let mut before = self.state(When::Working, release).await?;
        if let Some(pending) = before.as_ref().filter(|last| last.status.is_pending()) {
            before = self.recover(release, pending, options.recover_pending).await?;
        }
        let revision = before.as_ref().map_or(1, |last| last.revision + 1);
        let (command, _files) = self.upgrade_command(options)?;
        let command = command.args(marks(self.job.job(), revision));
        let command = names(command, [release.name(), options.chart.argument()]);
        let (rolls_back, mends) = (options.atomic, options.recover_pending);
        self.carry_out(&Change { release, verb: "upgrade", command, before, rolls_back, mends }).await?;
        Ok(self.report_success(release).await)
    }

    /// Without the names at its end. The files go away when they are dropped.
    pub(crate) fn upgrade_command(
        &self,
        options: &UpgradeOptions<'_>,
    ) -> Result<(Command, Vec<tempfile::NamedTempFile>), ExecutorError> {
        let temp = &self.job.paths().temp;
        let files: Vec<_> = options.values.iter().map(|value| values::write(value, temp)).collect::<Result<_, _>>()?;
        // Without it, no values would mean those of the revision before.
        let mut command = self.command(&["upgrade", "--install", "--reset-values"], &options.release);
        command = command.arg(seconds(options.timeout));
        command = command.args(files.iter().map(|file| format!("--values={}", file.path().display())));
        for (flag, is_set) in
            [("--wait", options.wait), ("--atomic", options.atomic), ("--create-namespace", options.create_namespace)]
        {
            command = if is_set { command.arg(flag) } else { command };
        }
        Ok((command, files))
    }

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
        if before.status.is_pending() {
            self.job.log().system(format!("release {release} is {} at revision {}", before.status, before.revision));
        }
        let command = self.command(&["rollback"], release).arg(seconds(options.timeout));
        let command = if options.wait { command.arg("--wait") } else { command };
        let command = names(command, [release.name(), &target.to_string()]);
        let (before, mends) = (Some(before), options.recover_pending);
        self.carry_out(&Change { release, verb: "rollback", command, before, rolls_back: true, mends }).await?;
        Ok(self.report_success(release).await)
    }

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
        let command = uninstall_command(self, release, options.timeout, options.wait);
        let command = if options.keep_history { command.arg("--keep-history") } else { command };
        let command = names(command, [release.name()]);
        self.carry_out(&Change { release, verb: "uninstall", command, before, rolls_back: false, mends: false })
            .await?;
        Ok(true)
    }

    /// Runs the chart's tests.
    ///
    /// # Errors
    /// If one fails; the text names it.
    pub async fn test(&self, release: &Release, timeout: Duration) -> Result<Vec<TestRun>, ExecutorError> {
        let Some(before) = self.state(When::Working, release).await? else {
            return Err(ExecutorError::invalid("/release", format!("there is no release {release}")));
        };
        if self.document(When::Working, release, None, Resources::Leave).await?.tests().is_empty() {
            self.job.log().system("the chart has no tests");
            return Ok(Vec::new());
        }
        let command = self.command(&["test"], release).arg(seconds(timeout));
        let command = names(command, [release.name()]);
        let before = Some(before);
        let change = Change { release, verb: "test", command, before, rolls_back: false, mends: false };
        // Once only: what a test does to the world is not known.
        self.job.commit_point().await?;
        let ended = self.try_once(&change).await.map_err(ExecutorError::from);
        let tests =
            self.document(When::Settling, release, None, Resources::Leave).await.map(|document| document.tests());
        ended.map_err(|error| name_failed(error, tests.as_deref().unwrap_or_default()))?;
        tests
    }

    pub(crate) async fn carry_out(&self, change: &Change<'_>) -> Result<(), ExecutorError> {
        self.job.commit_point().await?;
        patiently(self.job, async || self.try_once(change).await).await
    }

    async fn try_once(&self, change: &Change<'_>) -> Result<(), Failure> {
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

pub(crate) fn uninstall_command(helm: &Helm<'_>, release: &Release, timeout: Duration, wait: bool) -> Command {
    let command = helm.command(&["uninstall"], release).arg(seconds(timeout));
    if wait { command.arg("--wait") } else { command }
}

fn with_text(error: ExecutorError, text: &str) -> ExecutorError {
    match error {
        ExecutorError::ToolFailed { tool, exit, message } => {
            let line = if message.is_empty() { "" } else { "\n" };
            ExecutorError::ToolFailed { tool, exit, message: format!("{message}{line}{text}") }
        }
        other => other,
    }
}

fn name_failed(error: ExecutorError, tests: &[TestRun]) -> ExecutorError {
    let failed: Vec<_> = tests.iter().filter(|test| test.phase == "Failed").map(|test| test.name.as_str()).collect();
    if failed.is_empty() { error } else { with_text(error, &format!("failed: {}", failed.join(", "))) }
}
