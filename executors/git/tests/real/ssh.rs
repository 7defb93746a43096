//! The real sshd, with keys.

use std::path::Path;

use executor_git::{GitError, Remote, SshKey};

use crate::hosts::BareRepository;
use crate::hosts::sshd::SshHost;
use crate::jobs::{clone, job, refused, says, to};

fn remote(host: &SshHost, key: &str, known: &str) -> Remote {
    let key = SshKey::new(&host.dir(key), &host.known_host(known)).unwrap();
    Remote::new(host.url("x.git")).with_ssh_key(key)
}

#[tokio::test]
async fn a_key_clones_and_pushes() {
    let Some(host) = SshHost::start() else { return };
    let repository = BareRepository::new(host.dir("x.git"), &[("a", "1")]);
    // A name that ssh's configuration would take for two words and for something else.
    std::fs::copy(host.dir("client_key"), host.dir("a key of %h")).unwrap();
    let job = job();
    let mut checkout = clone(&job, remote(&host, "a key of %h", "host_key")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    checkout.commit(&says("two")).await.unwrap().unwrap();
    repository.commit("main", &[("b", "1")]);
    assert!(checkout.push(&to("main")).await.unwrap().unwrap().rebased);
    assert_eq!(repository.subjects("main"), ["two", "of somebody else", "of somebody else"]);
    assert!(host.connections() > 1);
}

#[tokio::test]
async fn a_host_that_is_not_known_is_not_spoken_to() {
    let Some(host) = SshHost::start() else { return };
    BareRepository::new(host.dir("x.git"), &[("a", "1")]);
    // Another key under the host's name, and another host's name.
    let elsewhere = format!("example.com {}", std::fs::read_to_string(host.dir("host_key.pub")).unwrap());
    let unknown = SshKey::new(&host.dir("client_key"), &elsewhere).unwrap();
    for remote in [remote(&host, "client_key", "other_key"), Remote::new(host.url("x.git")).with_ssh_key(unknown)] {
        let job = job();
        let error = refused(clone(&job, remote).await);
        assert!(matches!(error, GitError::UnknownHost { .. }), "{error:?}");
        let error = error.at(|field| field.under("/source/git")).to_string();
        assert!(error.starts_with("/source/git/url: ") && error.contains("known hosts"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_the_host_does_not_know_is_refused() {
    let Some(host) = SshHost::start() else { return };
    BareRepository::new(host.dir("x.git"), &[("a", "1")]);
    let job = job();
    let error = refused(clone(&job, remote(&host, "other_key", "host_key")).await);
    assert!(matches!(error, GitError::AccessRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("give the key access"), "{error}");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_found() {
    let Some(host) = SshHost::start() else { return };
    let job = job();
    let error = refused(clone(&job, remote(&host, "client_key", "host_key")).await);
    assert!(matches!(error, GitError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_of_a_job_is_left_when_it_is_over() {
    let Some(host) = SshHost::start() else { return };
    BareRepository::new(host.dir("x.git"), &[("a", "1")]);
    let job = job();
    let checkout = clone(&job, remote(&host, "client_key", "host_key")).await.unwrap();
    let git_dir = checkout.git_dir();
    let private = git_dir.parent().map(Path::to_owned).unwrap();
    assert!(private.join("known_hosts").exists());
    drop(checkout);
    assert!(!private.exists());
    assert!(job.context.work_dir().join("clone/a").exists());
}
