//! The git command as a library: clone, commit, push, with a token that only its own host sees. No kind of its own.
//!
//! ```no_run
//! # use std::path::Path;
//! # use executor_git::*;
//! # async fn example(job: &executor_api::JobContext, token: &str) -> Result<(), GitError> {
//! let remote = Remote::new(GitUrl::parse("https://example.com/team/apps.git")?).with_token(Token::new(token)?);
//! let git = Git::find(job).await?;
//! let mut checkout = git.clone(remote, &CloneOptions::default(), &job.work_dir().join("apps")).await?;
//! std::fs::write(checkout.folder().join("values.yaml"), "replicas: 3\n").expect("the folder is there");
//!
//! let author = Person::new("alethia", "alethia@example.com")?;
//! let commit = CommitOptions::new("Three replicas", author)?;
//! let push = PushOptions::to(Branch::parse("main")?);
//! if checkout.dry_run(&push).await?.is_nothing() {
//!     return Ok(()); // Nothing to commit and nothing to push.
//! }
//! checkout.commit(&commit).await?;
//! checkout.push(&push).await?; // Passes the job's commit point by itself.
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** nothing that a repository brings is run. Its hooks, filters, fsmonitor and submodules are off, links in it
//! become small text files, git's own files are kept outside of the folder that holds the repository's, and no
//! configuration of the machine or of its user counts.
//!
//! **Invariant:** a token is in the environment of the one command that needs it, bound to its host, and nowhere else: in
//! no argument, no file, no URL, no error. A redirect is not followed.

mod address;
mod answer;
mod catch_up;
mod checkout;
mod contents;
mod failure;
mod folder;
mod git;
mod offer;
mod person;
mod preview;
mod push;
mod reference;
mod remote;
mod repository;
mod ssh;

pub use address::GitUrl;
pub use checkout::{Change, Checkout, Commit, CommitOptions, Kind};
pub use failure::{Field, GitError};
pub use folder::FolderPath;
pub use git::{CloneOptions, Depth, Git};
pub use person::Person;
pub use preview::Preview;
pub use push::{PushOptions, Pushed};
pub use reference::{Branch, GitRef};
pub use remote::{Remote, SshKey, Token};
