//! Running the tests that a chart brings.

use std::time::Duration;

use executor_api::ExecutorError;
use serde::Serialize;

use crate::change::{Change, with_text};
use crate::helm::{Helm, When, names, seconds};
use crate::output::{Document, Hook};
use crate::release::Release;
use crate::report::Resources;

/// One test of a chart, as it last ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestRun {
    /// The name of its object.
    pub name: String,
    /// `Succeeded`, `Failed`, `Running` or `Unknown`.
    pub phase: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub completed_at: String,
}

impl Helm<'_> {
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
}

impl Document {
    /// The chart's tests.
    pub(crate) fn tests(&self) -> Vec<TestRun> {
        let is_test = |hook: &&Hook| hook.events.iter().any(|event| event == "test");
        let run = |hook: &Hook| TestRun {
            name: hook.name.clone(),
            phase: hook.last_run.phase.clone(),
            started_at: hook.last_run.started_at.clone(),
            completed_at: hook.last_run.completed_at.clone(),
        };
        self.hooks.iter().filter(is_test).map(run).collect()
    }
}

fn name_failed(error: ExecutorError, tests: &[TestRun]) -> ExecutorError {
    let failed: Vec<_> = tests.iter().filter(|test| test.phase == "Failed").map(|test| test.name.as_str()).collect();
    if failed.is_empty() { error } else { with_text(error, &format!("failed: {}", failed.join(", "))) }
}
