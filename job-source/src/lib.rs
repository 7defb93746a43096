//! Turns a job's `source` into a folder, and refuses what is hostile.
//!
//! A source is all or nothing: what is refused leaves no file where the tools will look.

mod archive;
mod git;
mod inline;
mod name;
mod staging;

use std::collections::BTreeMap;
use std::path::Path;

use executor_api::{ExecutorError, Input, JobContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use archive::{PackError, pack, unpack};
pub use git::GitSource;

/// What a job works on. Exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A tar.gz that was uploaded to the control plane, by its SHA-256.
    Archive(String),
    /// A folder of a git repository.
    Git(GitSource),
    /// The files themselves: name and text.
    Files(BTreeMap<String, String>),
}

impl Source {
    /// What has to be fetched before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Archive(id) => vec![Input::Source(id.clone())],
            Self::Git(git) => git.token().into_iter().collect(),
            Self::Files(_) => Vec::new(),
        }
    }

    /// Checks what can be checked without looking inside. `pointer` is the place of the source in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        match self {
            Self::Archive(id) if id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(()),
            Self::Archive(_) => Err(ExecutorError::invalid(
                &format!("{pointer}/archive"),
                "an archive is named by its SHA-256 in 64 hexadecimal digits, as the upload returned it",
            )),
            Self::Git(git) => git.check(&format!("{pointer}/git")),
            Self::Files(files) => inline::check(files, &format!("{pointer}/files")),
        }
    }

    /// Puts the files into `dest`, an empty folder. `pointer` is the place of the source in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if the source is refused; then `dest` is still empty.
    pub async fn unpack(&self, job: &JobContext, dest: &Path, pointer: &str) -> Result<(), ExecutorError> {
        self.check(pointer)?;
        match self {
            Self::Archive(id) => {
                let file = job.input(&Input::Source(id.clone()))?;
                archive::unpack(&file, dest, &format!("{pointer}/archive")).await
            }
            Self::Git(git) => git.fetch(job, dest, &format!("{pointer}/git")).await,
            Self::Files(files) => inline::write(files, dest, &format!("{pointer}/files")),
        }
    }
}
