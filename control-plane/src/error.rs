//! Why the plane refused. It knows no HTTP: `access::Refusal` gives each its status code.

use crate::logs::LogError;
use crate::vault::VaultError;

/// Why the plane refused. Nothing changed then.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// There is none, or the caller may not know of it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The job or runner stands where this cannot happen.
    #[error("{0}")]
    Conflict(String),
    /// Another attempt holds the job, or it has ended.
    #[error("attempt {attempt} of job {job} is not the current one; stop its work, nothing it sends is taken")]
    LeaseLost {
        /// Which job.
        job: wire::JobId,
        /// The attempt that the caller named.
        attempt: wire::AttemptNo,
    },
    /// The caller is another runner.
    #[error("the job belongs to another runner")]
    NotYours,
    /// The request says something wrong.
    #[error("{message}")]
    Invalid {
        /// JSON pointer into the body.
        pointer: Option<String>,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// There would be more of it than is kept.
    #[error("{0}")]
    TooLarge(String),
    /// The report came before the end of the log.
    #[error("the log is stored up to {0}; send the rest before the report")]
    LogBehind(u64),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The change could not be made durable.
    #[error("the change could not be saved: {0}")]
    Commit(String),
    /// The secrets of a job cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log's files failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl PlaneError {
    /// A request that says something wrong.
    pub(crate) fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        Self::Invalid { pointer: Some(pointer.to_owned()), message: message.into() }
    }
}
