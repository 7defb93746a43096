//! Why git did not do it, and what would help.

use std::fmt;

use executor_api::ExecutorError;

/// What of a payload an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The address of the repository.
    Url,
    /// A branch, a tag or a commit to start from.
    Ref,
    /// A folder in the repository.
    Path,
    /// Where to push.
    Branch,
    /// What a commit says.
    Message,
    /// Who made it.
    Author,
    /// What opens the repository over https.
    Token,
    /// What opens it over ssh.
    SshKey,
    /// Which hosts ssh believes.
    KnownHosts,
}

impl Field {
    /// The place of the field in an object of a payload where it has its usual name: `/source/git` makes
    /// `/source/git/url`.
    #[must_use]
    pub fn under(self, object: &str) -> String {
        format!("{object}/{self}")
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "url",
            Self::Ref => "ref",
            Self::Path => "path",
            Self::Branch => "branch",
            Self::Message => "message",
            Self::Author => "author",
            Self::Token => "token",
            Self::SshKey => "ssh_key",
            Self::KnownHosts => "known_hosts",
        })
    }
}

/// Why git did not do it. None of these holds a token.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A value that git is not given.
    #[error("{why}")]
    Invalid {
        /// Which.
        field: Field,
        /// What is wrong and what would be right.
        why: String,
    },
    /// There is no such repository, or the host says so to whoever may not see it.
    #[error("{url} is no repository, or it is one that this job may not read; check the address and who may read it")]
    NotFound {
        /// Where.
        url: String,
    },
    /// The repository has no commit.
    #[error("the repository {url} is empty; push a first commit to it, for example a README")]
    EmptyRepository {
        /// Where.
        url: String,
    },
    /// The host wants to know who we are, or knows and refuses.
    #[error("the host of {url} refused access: {hint}")]
    AccessRefused {
        /// Where.
        url: String,
        /// What was offered and what would help.
        hint: &'static str,
    },
    /// ssh does not know the host, or knows another one by this name.
    #[error(
        "ssh does not trust the key of the host of {url}; add the host's line to the known hosts (`ssh-keyscan` prints it)"
    )]
    UnknownHost {
        /// Where.
        url: String,
    },
    /// The repository has moved. We do not follow: a token would be carried elsewhere.
    #[error("{url} redirects to another address, which is not followed; give that address (a browser shows it)")]
    Redirected {
        /// Where from.
        url: String,
    },
    /// No branch, tag or commit of this name.
    #[error(
        "the repository has no branch, tag or commit {reference:?}; give a name that `git ls-remote` shows, or a whole commit id"
    )]
    RefNotFound {
        /// Which.
        reference: String,
    },
    /// The repository has no such folder.
    #[error("the repository has no folder {path:?} at {reference}; check the path and the ref")]
    NoFolder {
        /// Which.
        path: String,
        /// Where it was looked for.
        reference: String,
    },
    /// What the repository holds is not taken: hostile, or too much.
    #[error("the repository is refused: {why}")]
    Refused {
        /// What is wrong with it.
        why: String,
    },
    /// Every time we had caught up, somebody else had pushed again.
    #[error("others pushed to {branch:?} first, {tries} times; try again later, or push to a branch of your own")]
    PushedByOthers {
        /// Where to.
        branch: String,
        /// How often we tried.
        tries: u32,
    },
    /// Somebody else has changed the same lines. Theirs stand; nothing was pushed.
    #[error(
        "others have changed the same lines on {branch:?} ({files}); nothing was pushed: start again from what is there now, or push to a branch of your own"
    )]
    Conflict {
        /// Where to.
        branch: String,
        /// Which files.
        files: String,
    },
    /// The host takes no push to this branch.
    #[error(
        "the host refused the push to {branch:?}: {said}; push to another branch and ask for a merge, or let the branch's protection allow it"
    )]
    PushRefused {
        /// Where to.
        branch: String,
        /// What the host said.
        said: String,
    },
    /// Anything else: git ended badly, is missing, or was stopped.
    #[error(transparent)]
    Failed(#[from] ExecutorError),
}

impl GitError {
    pub(crate) fn invalid(field: Field, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }

    /// What of the payload would have to change; none if nothing would help, or if it is not known.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Invalid { field, .. } => Some(*field),
            Self::NotFound { .. } | Self::EmptyRepository { .. } | Self::Redirected { .. } | Self::Refused { .. } => {
                Some(Field::Url)
            }
            Self::AccessRefused { .. } | Self::UnknownHost { .. } => Some(Field::Url),
            Self::RefNotFound { .. } => Some(Field::Ref),
            Self::NoFolder { .. } => Some(Field::Path),
            Self::PushedByOthers { .. } | Self::Conflict { .. } | Self::PushRefused { .. } => Some(Field::Branch),
            Self::Failed(_) => None,
        }
    }

    /// The error of a job. `place` says where in its payload a field stands, as a JSON pointer; see [`Field::under`].
    #[must_use]
    pub fn at(self, place: impl FnOnce(Field) -> String) -> ExecutorError {
        let Some(pointer) = self.field().map(place) else {
            return match self {
                Self::Failed(error) => error,
                other => ExecutorError::Other(other.to_string()),
            };
        };
        match self {
            // The payload is right; what others did or allow is not in it.
            Self::AccessRefused { .. }
            | Self::UnknownHost { .. }
            | Self::PushedByOthers { .. }
            | Self::Conflict { .. }
            | Self::PushRefused { .. } => ExecutorError::Unsuccessful(format!("{pointer}: {self}")),
            other => ExecutorError::invalid(&pointer, other.to_string()),
        }
    }
}
