//! What the routes of logs, artifacts, sources and states ask about a caller. They know neither queue nor tokens.

use async_trait::async_trait;
use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::watch;
use wire::{AttemptNo, ErrorBody, JobId, JobStatus, Phase};

use crate::artifacts::Digest;
use crate::state::Actor;

/// Decides who may do what with a job. Every answer is about the caller that the headers name.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// The caller is the runner of the job's current attempt and writes to it. A first write in CLAIMED makes the
    /// job PROCESSING. Called for each append of a log: asks the database only when it has forgotten the job.
    async fn writing(&self, headers: &HeaderMap, job: &JobId) -> Result<JobWrite, Refusal>;

    /// The caller may read this job: a user of its organisation, or a runner that needs it.
    async fn reading(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal>;

    /// The caller may see what this job hands over in secret.
    async fn reading_secrets(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal>;

    /// The caller is a user.
    async fn user(&self, headers: &HeaderMap) -> Result<User, Refusal>;

    /// The organisation whose archive the caller may fetch: a user of it, or a runner with a job that names it.
    async fn source_organisation(&self, headers: &HeaderMap, digest: &Digest) -> Result<String, Refusal>;

    /// The caller may use states of an organisation: an attempt or a person by Basic authentication, which is all that
    /// terraform knows, or a person as anywhere else.
    async fn state_user(&self, headers: &HeaderMap) -> Result<StateUser, Refusal>;

    /// Whether an attempt may still be at work: it is current, not ended, and its lease lasts.
    async fn is_at_work(&self, job: &JobId, attempt: AttemptNo) -> Result<bool, Refusal>;

    /// Changes when people, runners or tokens may have lost what they could do: who stays connected is asked again.
    fn departures(&self) -> watch::Receiver<()>;

    /// Follows a job that the caller may read. A terminal status is published after the last byte of its log.
    async fn progress(&self, job: &JobId) -> Result<watch::Receiver<Progress>, Refusal>;
}

/// Who sees the secrets that a job hands over, for example a first password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretReaders {
    /// Who submitted it.
    #[default]
    Submitter,
    /// Everybody who may see the job.
    Organisation,
}

/// A write that is allowed.
#[derive(Clone, Copy, Debug)]
pub struct JobWrite {
    /// The attempt that writes.
    pub attempt: AttemptNo,
    /// Where its log begins in the job's log.
    pub log_base: u64,
    /// The attempt has ended: what is stored may be repeated, and nothing may be added.
    pub is_over: bool,
}

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    /// Who.
    pub id: String,
    /// Of which organisation. Safe as the name of a folder.
    pub org: String,
    /// Runs the plane: may add people, and runners that work for all organisations.
    pub is_platform: bool,
}

/// Who uses a state.
#[derive(Clone, Debug)]
pub struct StateUser {
    /// Whose states.
    pub org: String,
    /// An attempt or a person.
    pub actor: Actor,
}

impl From<User> for StateUser {
    fn from(User { id, org, .. }: User) -> Self {
        Self { org, actor: Actor::User { id } }
    }
}

/// Where a job stands, as `event: status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The status.
    pub status: JobStatus,
    /// The current or last attempt.
    pub attempt: u32,
    /// How far it has come.
    pub phase: Phase,
}

/// A request that is refused, and what its client reads.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The kind of refusal.
    pub status: StatusCode,
    /// The sentence for the client, with the remedy.
    pub body: ErrorBody,
}

impl Refusal {
    /// A refusal with a sentence.
    #[must_use]
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { error: error.into(), pointer: None } }
    }

    /// The same for what is absent and for what the caller may not know of.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// A failure of ours, whose details only the plane's own log has.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the control plane failed; try again")
    }

    /// A file system that failed. A full disk has a status of its own, because waiting may help.
    pub fn storage(error: &std::io::Error) -> Self {
        if !matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
            return Self::internal(error);
        }
        tracing::error!(%error, "the disk is full");
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "the control plane's disk is full; nothing was stored")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let pointer = self.body.pointer.filter(|pointer| pointer.len() <= LONGEST_BYTES);
        (self.status, Json(ErrorBody { error: shortened(self.body.error), pointer })).into_response()
    }
}

/// The longest that a refusal says. What was sent may stand in it, and that may be megabytes.
const LONGEST_BYTES: usize = 800;

/// Without its middle if it is too long: the beginning says what is wrong, and the end what would be right.
fn shortened(text: String) -> String {
    const END_BYTES: usize = 250;
    if text.len() <= LONGEST_BYTES {
        return text;
    }
    let (beginning, end) = (LONGEST_BYTES - END_BYTES - 5, text.len() - END_BYTES);
    let (beginning, end) = (text.floor_char_boundary(beginning), text.ceil_char_boundary(end));
    format!("{} ... {}", &text[..beginning], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        let as_it_is = "ü".repeat(LONGEST_BYTES / 2);
        assert_eq!(shortened(as_it_is.clone()), as_it_is);
        for sent in ["x".repeat(1 << 20), "ü".repeat(1 << 20), format!("x{}", "ü".repeat(1 << 20))] {
            let text = shortened(format!("the kind {sent} is unknown; known are: read"));
            assert!(text.len() <= LONGEST_BYTES, "{}", text.len());
            assert!(text.starts_with("the kind ") && text.ends_with(" is unknown; known are: read"), "{text}");
        }
    }
}
