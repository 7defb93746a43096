//! How a release is, for programs: what helm says of it and of what it consists of.

use std::fmt;

use executor_api::{ExecutorError, Outcome};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::helm::{Helm, When, names};
use crate::output::{Document, Metadata, Status};
use crate::readiness::{self, Resource};
use crate::release::Release;

/// Longer notes help nobody.
const MOST_NOTES: usize = 16 * 1024;

/// How a release is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseReport {
    /// Its name.
    pub release: String,
    /// Where it lives.
    pub namespace: String,
    /// Counts from 1; missing if there is no such release.
    pub revision: Option<u32>,
    /// Where that revision stands.
    pub status: Status,
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of what is in the chart, as the chart says it.
    pub app_version: String,
    /// Who made the revision, or why it failed.
    pub description: String,
    /// When it was made, RFC 3339.
    pub deployed_at: String,
    /// What the chart tells its user.
    pub notes: String,
    /// Whether all of it is ready; missing if that cannot be told.
    pub ready: Option<bool>,
    /// What it consists of.
    pub resources: Vec<Resource>,
}

/// Whether to ask the cluster for each object of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resources {
    Fetch,
    Leave,
}

impl Helm<'_> {
    /// How a release is, at its last revision or another.
    ///
    /// # Errors
    /// If helm fails or has no such revision. A release that does not exist is no error.
    pub async fn status(&self, release: &Release, revision: Option<u32>) -> Result<ReleaseReport, ExecutorError> {
        if self.state(When::Working, release).await?.is_none() {
            let absent = ReleaseReport::of(release, Status::Absent);
            self.job.log().system(&absent);
            return Ok(absent);
        }
        let report = self.report(When::Working, release, revision).await?;
        self.job.log().system(&report);
        Ok(report)
    }

    pub(crate) async fn report(
        &self,
        when: When,
        release: &Release,
        revision: Option<u32>,
    ) -> Result<ReleaseReport, ExecutorError> {
        let (document, ready) = match self.document(when, release, revision, Resources::Fetch).await {
            Ok(document) => (document, true),
            // For one, the cluster may not know a kind any more.
            Err(error @ ExecutorError::ToolFailed { .. }) => {
                self.job.log().system(format!("what release {release} consists of cannot be read: {error}"));
                (self.document(when, release, revision, Resources::Leave).await?, false)
            }
            Err(error) => return Err(error),
        };
        let command = self.command(&["get", "metadata", "--output=json"], release);
        let command = command.args(revision.map(|revision| format!("--revision={revision}")));
        let metadata: Metadata = self.read(when, "get metadata", names(command, [release.name()])).await?;
        let resources = if ready { readiness::resources(&document) } else { Vec::new() };
        Ok(ReleaseReport {
            revision: Some(document.version),
            status: document.info.status.unwrap_or(Status::Unknown),
            chart: metadata.chart,
            chart_version: metadata.version,
            app_version: metadata.app_version,
            description: document.info.description,
            deployed_at: document.info.last_deployed,
            notes: document.info.notes.trim().chars().take(MOST_NOTES).collect(),
            ready: ready.then(|| resources.iter().all(|resource| resource.ready)),
            resources,
            ..ReleaseReport::of(release, Status::Unknown)
        })
    }

    /// After a change that succeeded: it stays a success, also where we cannot look at it any more.
    pub(crate) async fn report_success(&self, release: &Release) -> ReleaseReport {
        self.report(When::Settling, release, None).await.unwrap_or_else(|error| {
            self.job.log().system(format!("it is done, but how release {release} is now cannot be read: {error}"));
            ReleaseReport::of(release, Status::Deployed)
        })
    }

    /// A release as helm stores it, with its values: it never reaches the log.
    pub(crate) async fn document(
        &self,
        when: When,
        release: &Release,
        revision: Option<u32>,
        resources: Resources,
    ) -> Result<Document, ExecutorError> {
        let command = self.command(&["status", "--output=json"], release);
        let command = command.args((resources == Resources::Fetch).then_some("--show-resources"));
        let command = command.args(revision.map(|revision| format!("--revision={revision}")));
        self.read(when, "status", names(command, [release.name()])).await
    }
}

/// For a person: one line, and one per object.
impl fmt::Display for ReleaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, namespace, status, chart, chart_version, app_version, description, .. } = self;
        write!(f, "release {namespace}/{release} is {status}")?;
        if let Some(revision) = self.revision {
            write!(f, " at revision {revision}: {chart} {chart_version} ({app_version}), {description}")?;
        }
        for Resource { kind, name, ready, message, .. } in &self.resources {
            let not = if *ready { "" } else { "not " };
            let colon = if message.is_empty() { "" } else { ": " };
            write!(f, "\n  {kind} {name} is {not}ready{colon}{message}")?;
        }
        Ok(())
    }
}

impl ReleaseReport {
    fn of(release: &Release, status: Status) -> Self {
        Self {
            release: release.name().to_owned(),
            namespace: release.namespace().to_owned(),
            revision: None,
            status,
            chart: String::new(),
            chart_version: String::new(),
            app_version: String::new(),
            description: String::new(),
            deployed_at: String::new(),
            notes: String::new(),
            ready: None,
            resources: Vec::new(),
        }
    }

    /// As a job answers it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let metadata: Map<String, Value> =
            serde_json::to_value(self).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
        Outcome { metadata }
    }
}
