//! What a state is called, and who uses it.

use std::fmt;
use std::str::FromStr;

use wire::{AttemptNo, JobId, RunnerId};

/// What a state is called in its organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateName(String);

impl StateName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StateName {
    type Err = InvalidStateName;

    fn from_str(text: &str) -> Result<Self, InvalidStateName> {
        let fits = (1..=128).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidStateName) }
    }
}

/// Why a text is not a name.
#[derive(Debug, thiserror::Error)]
#[error("a state's name has 1 to 128 letters, digits, '.', '_' or '-', and does not start with '.'")]
pub struct InvalidStateName;

/// Who uses a state.
#[derive(Clone, Debug)]
pub enum Actor {
    /// An attempt of a job, by its state token.
    Attempt {
        /// The job.
        job: JobId,
        /// The attempt that the token was made for.
        attempt: AttemptNo,
        /// Who runs it.
        runner: Option<RunnerId>,
        /// It is the job's current attempt and has not ended.
        is_current: bool,
    },
    /// A person.
    User {
        /// Who.
        id: String,
    },
}

impl Actor {
    pub(super) fn may_begin(&self) -> bool {
        match self {
            Self::Attempt { is_current, .. } => *is_current,
            Self::User { .. } => true,
        }
    }

    /// A job is given again only while running it again is harmless: what its last attempt holds, its next one takes.
    pub(super) fn succeeds(&self, holder: &Self) -> bool {
        match (self, holder) {
            (
                Self::Attempt { job, attempt, is_current: true, .. },
                Self::Attempt { job: other, attempt: earlier, .. },
            ) => job == other && attempt > earlier,
            _ => false,
        }
    }
}

/// The same job and attempt, or the same person; whether it is still current does not matter.
impl PartialEq for Actor {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Attempt { job, attempt, .. }, Self::Attempt { job: other, attempt: number, .. }) => {
                job == other && attempt == number
            }
            (Self::User { id }, Self::User { id: other }) => id == other,
            _ => false,
        }
    }
}
