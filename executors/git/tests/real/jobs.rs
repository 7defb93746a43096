//! Jobs, and a git that writes down what it is called with.

use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_git::{Branch, Checkout, CloneOptions, CommitOptions, Git, GitError, Person, PushOptions, Remote};
use serde_json::json;
use tempfile::TempDir;

use crate::hosts::repository::write_program;

pub(crate) fn builder() -> TestJobBuilder {
    TestJob::builder("test", &json!({}))
}

pub(crate) fn job() -> TestJob {
    builder().build().unwrap()
}

pub(crate) fn author() -> Person {
    Person::new("A. Uthor", "author@example.com").unwrap()
}

pub(crate) fn says(message: &str) -> CommitOptions {
    CommitOptions::new(message, author()).unwrap()
}

pub(crate) fn to(branch: &str) -> PushOptions {
    PushOptions::to(Branch::parse(branch).unwrap())
}

/// Clones into `work/clone` with everything as usual.
pub(crate) async fn clone(job: &TestJob, remote: Remote) -> Result<Checkout<'_>, GitError> {
    clone_with(job, remote, &CloneOptions::default()).await
}

pub(crate) async fn clone_with<'a>(
    job: &'a TestJob,
    remote: Remote,
    options: &CloneOptions,
) -> Result<Checkout<'a>, GitError> {
    let git = Git::find(&job.context).await?;
    git.clone(remote, options, &job.context.work_dir().join("clone")).await
}

/// The error of something that must fail.
pub(crate) fn refused<T>(result: Result<T, GitError>) -> GitError {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => error,
    }
}

/// A git that writes down its arguments and its environment, and is the real one otherwise.
pub(crate) struct Recorder {
    folder: TempDir,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().display();
        let script = format!(
            "for arg in \"$@\"; do printf '%s\\0' \"$arg\" >>'{seen}/args'; done\nenv >>'{seen}/env'\nexec git \"$@\""
        );
        write_program(&folder.path().join("git"), &script);
        Self { folder }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("git")
    }

    /// A job whose git this is.
    pub(crate) fn builder(&self) -> TestJobBuilder {
        let program = self.program();
        builder().settings(move |settings| drop(settings.tools.insert("git".to_owned(), program)))
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let seen = std::fs::read(self.folder.path().join("args")).unwrap();
        seen.split(|&b| b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    pub(crate) fn env(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("env")).unwrap()
    }
}

/// All bytes of all files below a folder, for looking what is in none of them.
pub(crate) fn all_bytes(dir: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        bytes.extend_from_slice(entry.path().display().to_string().as_bytes());
        bytes.push(b'\n');
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => bytes.extend(all_bytes(&entry.path())),
            kind if kind.is_file() => bytes.extend(std::fs::read(entry.path()).unwrap()),
            _ => {}
        }
    }
    bytes
}

pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
