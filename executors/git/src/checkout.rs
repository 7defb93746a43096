//! A clone to work in: what has changed, and committing it.

use std::fmt;
use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError};
use serde::Serialize;

use crate::failure::{Field, GitError};
use crate::git::Depth;
use crate::person::Person;
use crate::reference::Branch;
use crate::remote::Remote;
use crate::repository::Repository;

const MOST_MESSAGE_BYTES: usize = 64 * 1024;

/// A clone to work in. Dropping it leaves the files and takes git's own away.
pub struct Checkout<'a> {
    pub(crate) repository: Repository<'a>,
    pub(crate) remote: Remote,
    pub(crate) depth: Depth,
    folder: PathBuf,
    /// The newest commit that is not ours.
    pub(crate) base: String,
    pub(crate) head: String,
    /// Of the last commit of ours; it signs again when that is put on top of others'.
    pub(crate) committer: Option<Person>,
}

/// What a commit says and who made it.
#[derive(Clone, Debug)]
pub struct CommitOptions {
    message: String,
    author: Person,
    committer: Person,
}

/// A commit that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// A file that differs from the last commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where, from the root of the repository.
    pub path: String,
    /// How.
    pub kind: Kind,
}

/// How a file differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is new.
    Added,
    /// It holds something else, or is a program now, or none any more.
    Modified,
    /// It is gone.
    Deleted,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        })
    }
}

impl CommitOptions {
    /// A message of any number of lines, taken as it is. The author commits.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Message`].
    pub fn new(message: &str, author: Person) -> Result<Self, GitError> {
        let fits = message.len() <= MOST_MESSAGE_BYTES
            && message.lines().next().is_some_and(|line| !line.trim().is_empty())
            && !message.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        if !fits {
            let form = "a message begins with a line of text, has at most 64 KiB and no control characters but line ends and tabs";
            return Err(GitError::invalid(Field::Message, form));
        }
        Ok(Self { message: message.to_owned(), committer: author.clone(), author })
    }

    /// Somebody else than the author commits.
    #[must_use]
    pub fn with_committer(mut self, committer: Person) -> Self {
        self.committer = committer;
        self
    }
}

impl<'a> Checkout<'a> {
    pub(crate) fn new(
        repository: Repository<'a>,
        remote: Remote,
        depth: Depth,
        folder: PathBuf,
        commit: String,
    ) -> Self {
        Self { repository, remote, depth, folder, base: commit.clone(), head: commit, committer: None }
    }

    /// The folder that was asked for: the repository's root, or [`crate::CloneOptions::path`] in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root of the repository's files.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.repository.work_tree()
    }

    /// Git's own files, which lie elsewhere.
    #[must_use]
    pub fn git_dir(&self) -> PathBuf {
        self.repository.private().join("repository")
    }

    /// The commit that the files stand on.
    #[must_use]
    pub fn commit_id(&self) -> &str {
        &self.head
    }

    /// The branch that the host shows first, for whoever wants to push there.
    ///
    /// # Errors
    /// [`GitError::RefNotFound`] if it has none with a usable name.
    pub async fn default_branch(&self) -> Result<Branch, GitError> {
        let args = ["ls-remote", "--quiet", "--symref", "--", self.remote.url.as_str(), "HEAD"];
        let answer = self.repository.speak(&self.remote, self.repository.remote(&self.remote, args)?).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let name = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let name = name.and_then(|name| Branch::parse(name).ok());
        name.ok_or_else(|| GitError::RefNotFound { reference: "HEAD".to_owned() })
    }

    /// What a commit would hold now: everything that differs, but for what the repository's `.gitignore` files name.
    ///
    /// # Errors
    /// If git fails, or if a folder is a repository of its own.
    pub async fn changes(&self) -> Result<Vec<Change>, GitError> {
        let args = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"];
        let printed = self.repository.ask(self.repository.local(args)).await?;
        let changes: Vec<_> = printed.split(|&b| b == 0).filter_map(Change::read).collect();
        // Its files would not be committed, only a pointer to a commit that nobody else has.
        if let Some(change) = changes.iter().find(|change| change.path.ends_with('/')) {
            let why = format!("{:?} is a repository of its own; take its .git away to commit its files", change.path);
            return Err(ExecutorError::Other(why).into());
        }
        Ok(changes)
    }

    /// Commits everything that differs. None if nothing does.
    ///
    /// # Errors
    /// If git fails.
    pub async fn commit(&mut self, options: &CommitOptions) -> Result<Option<Commit>, GitError> {
        let changes = self.changes().await?;
        if changes.is_empty() {
            return Ok(None);
        }
        let repository = &self.repository;
        repository.run(repository.local(["add", "--all"])).await?;
        let message = repository.private().join("message");
        std::fs::write(&message, &options.message).map_err(ExecutorError::io("cannot write the message"))?;
        let file = format!("--file={}", message.display());
        // No word of git's own is added to a message, none of it is taken for a comment.
        let args = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--no-status", "--cleanup=verbatim", &file];
        let command = signed(repository.local(args), &options.committer)
            .env("GIT_AUTHOR_NAME", options.author.name())
            .env("GIT_AUTHOR_EMAIL", options.author.email());
        repository.run(command).await?;
        self.head = repository.commit_id("HEAD").await?;
        self.committer = Some(options.committer.clone());
        Ok(Some(Commit { id: self.head.clone(), changes }))
    }
}

/// A command that makes commits in the name of `committer`.
pub(crate) fn signed(command: Command, committer: &Person) -> Command {
    command.env("GIT_COMMITTER_NAME", committer.name()).env("GIT_COMMITTER_EMAIL", committer.email())
}

impl Change {
    /// `XY PATH` as in git-status(1), where nothing is renamed.
    fn read(entry: &[u8]) -> Option<Self> {
        let entry = String::from_utf8_lossy(entry);
        let (state, path) = (entry.get(..2)?, entry.get(3..)?);
        let kind = match state {
            "??" => Kind::Added,
            state if state.contains('A') => Kind::Added,
            state if state.contains('D') => Kind::Deleted,
            _ => Kind::Modified,
        };
        Some(Self { path: path.to_owned(), kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read() {
        let read = |entry: &str| Change::read(entry.as_bytes()).map(|change| (change.kind, change.path));
        assert_eq!(read("?? a b\n"), Some((Kind::Added, "a b\n".to_owned())));
        assert_eq!(read(" M -x"), Some((Kind::Modified, "-x".to_owned())));
        assert_eq!(read(" T x"), Some((Kind::Modified, "x".to_owned())));
        assert_eq!(read(" D x"), Some((Kind::Deleted, "x".to_owned())));
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_message_is_taken_as_it_is_or_refused() {
        let person = || Person::new("a", "a@example.com").unwrap();
        let long = "x".repeat(100 * 1024);
        for bad in ["", "\n", " \nbody", "a\0b", "a\rb", "\u{1b}[2J", &long] {
            assert_eq!(CommitOptions::new(bad, person()).expect_err(bad).field(), Some(Field::Message), "{bad:?}");
        }
        for good in ["--amend", "-F/etc/passwd", "# no comment", "$(id)", "@file", "a,b={c}", "one\n\n\ttwo\n"] {
            assert!(CommitOptions::new(good, person()).is_ok(), "{good:?}");
        }
    }
}
