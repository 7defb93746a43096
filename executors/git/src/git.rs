//! The program: where it is, whether it is new enough, and how it clones.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::{Command, ExecutorError, JobContext};

use crate::checkout::Checkout;
use crate::contents;
use crate::failure::GitError;
use crate::folder::FolderPath;
use crate::reference::GitRef;
use crate::remote::Remote;
use crate::repository::Repository;

/// From here on the configuration of the machine and of its user can be told not to count, and ours comes through the
/// environment. Distributions mend older versions without a new number, so more cannot be asked for.
const OLDEST: (u32, u32) = (2, 32);
/// `version` must answer within this time.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The git command, for one job.
#[derive(Clone)]
pub struct Git<'a> {
    pub(crate) job: &'a JobContext,
    program: PathBuf,
}

/// What of a repository is wanted.
#[derive(Clone, Debug, Default)]
pub struct CloneOptions {
    /// Where to start; the default branch if missing.
    pub reference: Option<GitRef>,
    /// How much of the history.
    pub depth: Depth,
    /// The folder that the work is about; the whole repository if missing. It must be there.
    pub path: Option<FolderPath>,
}

/// How much of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of it.
    Full,
    /// The newest commits.
    Commits(NonZeroU32),
}

/// The newest commit: what there is to see and to build on.
impl Default for Depth {
    fn default() -> Self {
        Self::Commits(NonZeroU32::MIN)
    }
}

impl Depth {
    pub(crate) fn arg(self) -> Option<String> {
        match self {
            Self::Full => None,
            Self::Commits(number) => Some(format!("--depth={number}")),
        }
    }
}

impl<'a> Git<'a> {
    /// Finds the program.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy, also if it is too old.
    pub async fn find(job: &'a JobContext) -> Result<Self, GitError> {
        let found = Self { job, program: job.tool("git")? };
        let asked = job.capture(found.command().arg("version"));
        let missing = |why: String| GitError::Failed(ExecutorError::ToolMissing(why));
        let answer = tokio::time::timeout(VERSION_LIMIT, asked).await;
        let answer = answer
            .map_err(|_| missing("`git version` did not answer within 10 s; is it the real program?".to_owned()))??;
        let text = String::from_utf8_lossy(&answer.stdout);
        match version(&text) {
            Some(version) if version >= OLDEST => Ok(found),
            Some((major, minor)) => {
                let (want_major, want_minor) = OLDEST;
                Err(missing(format!(
                    "the runner has git {major}.{minor}, and {want_major}.{want_minor} or later is needed; upgrade it there"
                )))
            }
            None => Err(missing("`git version` does not answer as git does; is it the real program?".to_owned())),
        }
    }

    /// The program with an environment in which no configuration of the machine, of a user or of the operator counts.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.job.command(&self.program);
        let foreign = |name: &str| {
            name.starts_with("GIT_") || name.starts_with("SSH_ASKPASS") || matches!(name, "XDG_CONFIG_HOME" | "EMAIL")
        };
        let names: Vec<_> = command.env.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| name.to_str().is_none_or(foreign)) {
            command.env.remove(name);
        }
        // Where curl is built without OpenSSL it does not look at these by itself.
        for (from, to) in [("SSL_CERT_FILE", "GIT_SSL_CAINFO"), ("SSL_CERT_DIR", "GIT_SSL_CAPATH")] {
            if let Some(value) = command.env.get(from).map(ToOwned::to_owned) {
                command.env.set(to, value);
            }
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", ":")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            // We read what it says.
            .env("LC_ALL", "C")
            .env("LANGUAGE", "")
    }

    /// Clones into `dest`, an empty folder or none. Only the repository's files come there; links among them are small
    /// text files, and submodules are empty folders.
    ///
    /// # Errors
    /// See [`GitError`]. What is refused for what it holds has left nothing in `dest`.
    pub async fn clone(
        &self,
        mut remote: Remote,
        options: &CloneOptions,
        dest: &Path,
    ) -> Result<Checkout<'a>, GitError> {
        make_empty(dest)?;
        let repository = Repository::new(Clone::clone(self), dest)?;
        repository.run(repository.local(["init", "--quiet", "--template=", "--initial-branch=main"])).await?;
        let reference = options.reference.as_ref().map_or("HEAD", GitRef::as_str);
        self.job.log().system(format!("fetching {reference} of {}", remote.url));
        let mut fetched = fetch(&repository, &remote, reference, options.depth).await;
        if let (Err(GitError::Redirected { .. }), Some(url)) = (&fetched, remote.url.with_git_suffix()) {
            self.job.log().system(format!("the host redirects; trying {url}"));
            remote.url = url;
            fetched = fetch(&repository, &remote, reference, options.depth).await;
        }
        fetched?;
        contents::check(&repository, "FETCH_HEAD").await?;
        repository.run(repository.local(["checkout", "--quiet", "--detach", "FETCH_HEAD"])).await?;
        let commit = repository.commit_id("HEAD").await?;
        self.job.log().system(format!("{} at {reference} is commit {commit}", remote.url));
        let folder = folder(dest, options.path.as_ref(), reference)?;
        Ok(Checkout::new(repository, remote, options.depth, folder, commit))
    }
}

/// Fetches one ref into FETCH_HEAD.
pub(crate) async fn fetch(
    repository: &Repository<'_>,
    remote: &Remote,
    reference: &str,
    depth: Depth,
) -> Result<(), GitError> {
    let always = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"].map(str::to_owned);
    let names = ["--".to_owned(), remote.url.to_string(), reference.to_owned()];
    let args = always.into_iter().chain(depth.arg()).chain(names);
    match repository.speak(remote, repository.remote(remote, args)?).await {
        Ok(_) => Ok(()),
        // Git says of an empty repository what it says of a ref that is not there.
        Err(GitError::RefNotFound { .. }) => Err(match is_empty(repository, remote).await? {
            true => GitError::EmptyRepository { url: remote.url.to_string() },
            false => GitError::RefNotFound { reference: reference.to_owned() },
        }),
        Err(other) => Err(other),
    }
}

async fn is_empty(repository: &Repository<'_>, remote: &Remote) -> Result<bool, GitError> {
    let command = repository.remote(remote, ["ls-remote", "--quiet", "--", remote.url.as_str()])?;
    Ok(repository.speak(remote, command).await?.stdout.is_empty())
}

fn make_empty(dest: &Path) -> Result<(), GitError> {
    fs::create_dir_all(dest).map_err(ExecutorError::io("cannot make a folder for the repository"))?;
    let mut entries =
        fs::read_dir(dest).map_err(ExecutorError::io("cannot look into the folder for the repository"))?;
    if entries.next().is_some() {
        return Err(ExecutorError::Other(format!(
            "{} is not empty; a clone needs a folder of its own",
            dest.display()
        ))
        .into());
    }
    Ok(())
}

fn folder(dest: &Path, path: Option<&FolderPath>, reference: &str) -> Result<PathBuf, GitError> {
    let Some(path) = path else { return Ok(dest.to_owned()) };
    let folder = dest.join(path.as_path());
    // A link cannot be in the way: the checkout makes none.
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(GitError::NoFolder { path: path.to_string(), reference: reference.to_owned() })
}

/// `git version 2.39.5 (Apple Git-154)`
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split_whitespace().next()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_makers_are_read() {
        for (text, read) in [
            ("git version 2.39.5\n", Some((2, 39))),
            ("git version 2.39.5 (Apple Git-154)\n", Some((2, 39))),
            ("git version 2.45.1.windows.1\n", Some((2, 45))),
            ("git version 3.0.GIT\n", Some((3, 0))),
            ("git version rubbish\n", None),
            ("hub version 2.14\n", None),
            ("", None),
        ] {
            assert_eq!(version(text), read, "{text:?}");
        }
    }
}
