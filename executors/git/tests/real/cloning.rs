//! What a clone brings, and what it says when it brings nothing.

use std::num::NonZeroU32;

use executor_api::ExecutorError;
use executor_git::{CloneOptions, Depth, FolderPath, Git, GitError, GitRef, GitUrl, Remote, Token};

use crate::hosts::repository::write_program;
use crate::hosts::{BareRepository, HttpHost};
use crate::jobs::{Recorder, builder, clone, clone_with, job, refused};

fn at(reference: &str) -> CloneOptions {
    CloneOptions { reference: Some(GitRef::parse(reference).unwrap()), ..CloneOptions::default() }
}

fn read(checkout: &executor_git::Checkout<'_>, file: &str) -> String {
    std::fs::read_to_string(checkout.folder().join(file)).unwrap()
}

#[tokio::test]
async fn a_branch_a_tag_and_a_commit_are_cloned() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a.txt", "one")]);
    let first = repository.tip("main").unwrap();
    repository.git(["tag", "v1", "main"]);
    repository.commit("main", &[("a.txt", "two")]);
    repository.commit("feature/x-1", &[("a.txt", "three")]);
    for (reference, text) in
        [("HEAD", "two"), ("main", "two"), ("v1", "one"), ("feature/x-1", "three"), (&first, "one")]
    {
        let job = job();
        let checkout = clone_with(&job, host.remote("x.git"), &at(reference)).await.unwrap();
        assert_eq!(read(&checkout, "a.txt"), text, "{reference}");
        let names: Vec<_> = std::fs::read_dir(checkout.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["a.txt"], "nothing of git's own lies in the folder");
        assert!(job.log().contains(&format!("at {reference} is commit {}", checkout.commit_id())), "{}", job.log());
        assert_eq!(job.commits(), 0, "a clone changes nothing");
    }
    let job = job();
    let checkout = clone(&job, host.remote("x.git")).await.unwrap();
    assert_eq!(checkout.default_branch().await.unwrap().as_str(), "main");
    assert_eq!(host.pushes(), 0);
}

#[tokio::test]
async fn the_history_is_as_deep_as_asked_for() {
    let host = HttpHost::open().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    for text in ["2", "3", "4"] {
        repository.commit("main", &[("a", text)]);
    }
    let recorder = Recorder::new();
    for (depth, commits) in [(Depth::default(), 1), (Depth::Commits(NonZeroU32::new(3).unwrap()), 3), (Depth::Full, 4)]
    {
        let job = recorder.builder().build().unwrap();
        let options = CloneOptions { depth, ..CloneOptions::default() };
        let checkout = clone_with(&job, Remote::new(host.url("x.git")), &options).await.unwrap();
        let history = BareRepository { dir: checkout.git_dir() }.git(["rev-list", "--count", "HEAD"]);
        assert_eq!(history, commits.to_string());
    }
}

#[tokio::test]
async fn the_folder_that_was_asked_for_must_be_there() {
    let host = HttpHost::open().await;
    host.repository("x.git", &[("stacks/net/main.tf", "# net"), ("README", "")]);
    let at_path = |path: &str| CloneOptions { path: Some(FolderPath::parse(path).unwrap()), ..CloneOptions::default() };
    let job = job();
    let checkout = clone_with(&job, Remote::new(host.url("x.git")), &at_path("stacks/net")).await.unwrap();
    assert_eq!(read(&checkout, "main.tf"), "# net");
    assert!(checkout.root().join("README").exists());
    for missing in ["stacks/nett", "README", "-x", "$(id)"] {
        let job = self::job();
        let error = refused(clone_with(&job, Remote::new(host.url("x.git")), &at_path(missing)).await);
        assert!(matches!(&error, GitError::NoFolder { path, .. } if path == missing), "{error}");
        let error = error.at(|field| field.under("/source/git")).to_string();
        assert!(error.starts_with("/source/git/path: the repository has no folder"), "{error}");
    }
}

#[tokio::test]
async fn each_way_to_fail_names_its_field_and_a_remedy() {
    let host = HttpHost::guarded().await;
    host.repository("x.git", &[("a", "1")]);
    BareRepository::empty(host.dir("empty.git"));
    let wrong = Token::new("another-token").unwrap();
    for (what, remote, options, text) in [
        ("no repository", host.remote("none.git"), CloneOptions::default(), "/url: http://127.0.0.1"),
        ("an empty one", host.remote("empty.git"), CloneOptions::default(), "/url: the repository http"),
        (
            "no such ref",
            host.remote("x.git"),
            at("nosuch"),
            "/ref: the repository has no branch, tag or commit \"nosuch\"",
        ),
        ("no such commit", host.remote("x.git"), at(&"1".repeat(40)), "/ref: the repository has no branch"),
        ("no token", Remote::new(host.url("x.git")), CloneOptions::default(), "/url: the host of http"),
        (
            "a wrong token",
            Remote::new(host.url("x.git")).with_token(wrong),
            CloneOptions::default(),
            "/url: the host of http",
        ),
    ] {
        let job = job();
        let error = refused(clone_with(&job, remote, &options).await);
        let fits = match what {
            "no repository" => matches!(error, GitError::NotFound { .. }),
            "an empty one" => matches!(error, GitError::EmptyRepository { .. }),
            "no such ref" | "no such commit" => matches!(error, GitError::RefNotFound { .. }),
            _ => matches!(error, GitError::AccessRefused { .. }),
        };
        assert!(fits, "{what}: {error:?}");
        let error = error.at(|field| field.under("/source/git")).to_string();
        assert!(error.starts_with(&format!("/source/git{text}")), "{what}: {error}");
        let remedies = ["; check", "; push a first commit", "; give"];
        assert!(remedies.iter().any(|remedy| error.contains(remedy)), "{what}: {error}");
        assert!(!error.contains("another-token"), "{what}: {error}");
        let clone = job.context.work_dir().join("clone");
        assert_eq!(std::fs::read_dir(clone).unwrap().count(), 0, "{what} left something");
    }
}

#[tokio::test]
async fn a_host_that_is_away_is_an_answer_of_git() {
    let job = job();
    let url = GitUrl::parse("https://repository.invalid/x.git").unwrap();
    let error = refused(clone(&job, Remote::new(url)).await);
    assert_eq!(error.field(), None);
    let error = error.at(|field| panic!("{field} is not to blame"));
    assert!(matches!(&error, ExecutorError::ToolFailed { tool, .. } if tool == "git fetch"), "{error}");
}

#[tokio::test]
async fn a_clone_needs_a_folder_of_its_own() {
    let host = HttpHost::open().await;
    host.repository("x.git", &[("a", "1")]);
    let job = job();
    std::fs::create_dir(job.context.work_dir().join("clone")).unwrap();
    std::fs::write(job.context.work_dir().join("clone/mine"), "mine").unwrap();
    let error = refused(clone(&job, Remote::new(host.url("x.git"))).await).to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(host.asked().len(), 0);
}

#[tokio::test]
async fn a_git_that_is_too_old_or_no_git_is_refused() {
    for (script, text) in [
        ("echo git version 2.31.9", "the runner has git 2.31, and 2.32 or later is needed; upgrade it there"),
        ("echo git version 1.8.3.1", "the runner has git 1.8, and 2.32"),
        ("echo hello", "does not answer as git does"),
        ("exit 1", "does not answer as git does"),
    ] {
        let error = find_with(script).await;
        assert!(error.contains(text), "{script}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_git_that_hangs_is_refused() {
    let error = find_with("exec sleep 600").await;
    assert!(error.contains("did not answer within 10 s"), "{error}");
}

async fn find_with(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("git");
    write_program(&program, script);
    let job = builder().settings(|settings| drop(settings.tools.insert("git".to_owned(), program))).build().unwrap();
    let error = match Git::find(&job.context).await {
        Ok(_) => panic!("{script} is no git"),
        Err(error) => error.at(|field| panic!("{field} is not to blame")),
    };
    assert!(matches!(error, ExecutorError::ToolMissing(_)), "{error}");
    error.to_string()
}
