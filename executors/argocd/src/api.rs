//! What is asked of Argo CD, whichever way it is reached: through its server, or through the cluster that it lives in.

use async_trait::async_trait;
use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{Application, ApplicationName, History};
use crate::failure::Failure;
use crate::operation::Tag;
use crate::repository::Repository;
use crate::sync::SyncOptions;

/// What an upsert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    Created,
    /// It was there, and other.
    Updated,
    /// It was there as it should be.
    Unchanged,
}

/// What becomes of an application's resources when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cascade {
    /// They go, each after what depends on it.
    #[default]
    Foreground,
    /// They go, and what depends on them afterwards.
    Background,
    /// They stay.
    Orphan,
}

/// Whether a request to stop ends a request, or it belongs to putting things in order after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Working,
    Settling,
}

/// A way to Argo CD. Each call is one request: whoever calls knows whether to try again.
#[async_trait]
pub(crate) trait Api: Send + Sync {
    /// The application as it is known.
    async fn get(&self, when: When, name: &ApplicationName) -> Result<Application, Failure>;

    /// Asks Argo CD to look at the source and the cluster. It may do so later: see [`Application::is_to_be_refreshed`].
    async fn refresh(&self, name: &ApplicationName) -> Result<(), Failure>;

    /// Makes or replaces an application. Doing it twice is harmless.
    async fn upsert_application(&self, manifest: &Value) -> Result<Change, Failure>;

    /// Makes or replaces a project. Doing it twice is harmless.
    async fn upsert_project(&self, manifest: &Value) -> Result<(), Failure>;

    /// Makes or replaces a repository. Doing it twice is harmless.
    async fn upsert_repository(&self, repository: &Repository) -> Result<(), Failure>;

    /// Starts a sync of the application, which was just read. Returns when it is asked for.
    async fn start_sync(&self, application: &Application, options: &SyncOptions, tag: &Tag) -> Result<(), Failure>;

    /// Starts a rollback, likewise.
    async fn start_rollback(
        &self,
        application: &Application,
        to: &History,
        prune: bool,
        tag: &Tag,
    ) -> Result<(), Failure>;

    /// Ends the operation that runs, before its time.
    async fn terminate(&self, application: &Application) -> Result<(), Failure>;

    /// Starts to delete the application.
    async fn delete(&self, application: &Application, cascade: Cascade) -> Result<(), Failure>;

    /// Whether what is called missing is not there, rather than perhaps hidden from us.
    fn tells_what_is_missing(&self) -> bool;

    /// Where a person sees the application.
    fn url(&self, application: &Application) -> Option<String>;

    /// What the resources that are not healthy say of themselves, where Argo CD does not say it here.
    async fn complaints(&self, application: &Application) -> Vec<String>;
}

/// The error of a failure, in whose text `pointer` says what to correct if the thing is missing.
pub(crate) fn missing_at(pointer: &str, failure: Failure) -> ExecutorError {
    match failure {
        Failure::Missing(error) => ExecutorError::invalid(pointer, error.to_string()),
        other => other.into(),
    }
}
