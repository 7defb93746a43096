//! The routes over files, and what they share.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};

use super::{artifacts, log_stream, logs, sources, state};
use crate::access::Access;
use crate::artifacts::{ArtifactRecords, BlobStore, SecretArtifacts};
use crate::logs::LogStore;
use crate::sources::Sources;
use crate::state::StateStore;

/// The most bytes that a request may bring.
#[derive(Clone, Copy, Debug)]
pub struct StorageLimits {
    /// One append to a log, with its frame headers.
    pub log_append_bytes: u64,
    /// One artifact.
    pub artifact_bytes: u64,
    /// One source archive.
    pub source_bytes: u64,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self { log_append_bytes: 4 << 20, artifact_bytes: 50 << 20, source_bytes: 50 << 20 }
    }
}

/// All stores, and who may use them.
#[derive(Clone)]
pub struct Storage {
    /// Logs of jobs.
    pub logs: LogStore,
    /// The bytes of artifacts and sources.
    pub blobs: BlobStore,
    /// Which job has which artifact.
    pub artifacts: ArtifactRecords,
    /// Those that are secrets.
    pub secrets: SecretArtifacts,
    /// Which organisation has which archive.
    pub sources: Sources,
    /// Terraform states.
    pub states: StateStore,
    /// Who may do what.
    pub access: Arc<dyn Access>,
    /// What a request may bring.
    pub limits: StorageLimits,
}

/// The table of routes over files. Each route reads its body within its own limit.
pub fn router(storage: Storage) -> Router {
    Router::new()
        .route("/api/jobs/{id}/log", post(logs::append).get(logs::download))
        .route("/api/jobs/{id}/logs", post(logs::post).get(logs::page))
        .route("/api/jobs/{id}/logs/stream", get(log_stream::stream_log))
        .route("/api/cli/jobs/{id}/logs", get(logs::page))
        .route("/api/jobs/{id}/artifacts", get(artifacts::list))
        .route("/api/jobs/{id}/artifacts/{name}", put(artifacts::put).get(artifacts::get))
        .route("/api/jobs/{id}/plan-artifact", post(artifacts::post_plan).get(artifacts::get_plan))
        .route("/api/sources", post(sources::post))
        .route("/api/sources/{id}", get(sources::get))
        .route("/api/state/{name}", get(state::get).post(state::post).delete(state::delete))
        .route("/api/state/{name}/lock", put(state::lock).get(state::holder).delete(state::unlock))
        .layer(DefaultBodyLimit::disable())
        .with_state(storage)
}
