//! Installing and upgrading.

use std::ffi::OsStr;
use std::time::Duration;

use executor_api::{Command, ExecutorError};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::change::Change;
use crate::fetch::FetchedChart;
use crate::helm::{Helm, When, names, seconds, with_file};
use crate::pending::marks;
use crate::release::Release;
use crate::report::ReleaseReport;

/// An upgrade, or an install where there is no release yet.
#[derive(Debug)]
pub struct UpgradeOptions<'c> {
    /// Which release.
    pub release: Release,
    /// What to install.
    pub chart: &'c FetchedChart,
    /// Objects with the chart's values; a later one wins.
    pub values: Vec<Value>,
    /// Return when all is ready.
    pub wait: bool,
    /// Wait, and undo it if it fails.
    pub atomic: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
    /// Make the namespace if it is missing.
    pub create_namespace: bool,
    /// Mend a release that a dead attempt of this job left pending.
    pub recover_pending: bool,
}

impl<'c> UpgradeOptions<'c> {
    /// Without values, without waiting, with helm's five minutes.
    #[must_use]
    pub fn new(release: Release, chart: &'c FetchedChart) -> Self {
        Self {
            release,
            chart,
            values: Vec::new(),
            wait: false,
            atomic: false,
            timeout: Duration::from_secs(300),
            create_namespace: false,
            recover_pending: true,
        }
    }
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
        let flags = [("--wait", options.wait), ("--atomic", options.atomic)];
        let command = command.args(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| *flag));
        let command = command.args(marks(self.job.job(), revision));
        let command = names(command, [OsStr::new(release.name()), options.chart.path().as_os_str()]);
        let (rolls_back, mends) = (options.atomic, options.recover_pending);
        self.carry_out(&Change { release, verb: "upgrade", command, before, rolls_back, mends }).await?;
        Ok(self.report_success(release).await)
    }

    /// What a dry run has in common with it, without the names at its end. The files go away when they are dropped.
    pub(crate) fn upgrade_command(
        &self,
        options: &UpgradeOptions<'_>,
    ) -> Result<(Command, Vec<NamedTempFile>), ExecutorError> {
        let files = options.values.iter().map(|value| self.job.document("helm", value));
        let files: Vec<_> = files.collect::<Result<_, _>>()?;
        // Without it, no values would mean those of the revision before.
        let mut command = self.command(&["upgrade", "--install", "--reset-values"], &options.release);
        command = command.arg(seconds(options.timeout));
        for file in &files {
            command = with_file(command, "values", file.path());
        }
        let command = if options.create_namespace { command.arg("--create-namespace") } else { command };
        Ok((command, files))
    }
}
