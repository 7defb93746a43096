//! Pushing: alone, at the same time as others, against others, and not at all.

use std::sync::{Arc, Mutex};

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, Stop, StopReason, StopTrigger};
use executor_git::{Branch, Checkout, GitError};

use crate::hosts::http::Answer;
use crate::hosts::{BareRepository, HttpHost};
use crate::jobs::{Recorder, builder, clone, job, refused, says, to};

/// A clone in which `file` says `text` and that is committed.
async fn changed<'a>(job: &'a TestJob, host: &HttpHost, file: &str, text: &str) -> Checkout<'a> {
    let mut checkout = clone(job, host.remote("x.git")).await.unwrap();
    std::fs::write(checkout.folder().join(file), text).unwrap();
    checkout.commit(&says(&format!("{file} is {text}"))).await.unwrap().unwrap();
    checkout
}

#[tokio::test]
async fn a_commit_is_pushed_to_its_branch_and_to_a_new_one() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    assert_eq!(job.commits(), 0, "a commit here changes nothing there");
    let pushed = checkout.push(&to("main")).await.unwrap().unwrap();
    assert_eq!(job.commits(), 1);
    assert_eq!(Some(&pushed.commit), repository.tip("main").as_ref());
    assert!(!pushed.created && !pushed.rebased);
    assert_eq!(repository.file("main", "a"), "2");
    assert_eq!(repository.git(["log", "-1", "--format=%an <%ae> %s", "main"]), "A. Uthor <author@example.com> a is 2");
    assert_eq!(checkout.push(&to("main")).await.unwrap(), None, "it is there already");

    std::fs::write(checkout.folder().join("a"), "3").unwrap();
    checkout.commit(&says("three")).await.unwrap().unwrap();
    let pushed = checkout.push(&to("feature/a+b_c.d-1")).await.unwrap().unwrap();
    assert!(pushed.created);
    assert_eq!(repository.file("feature/a+b_c.d-1", "a"), "3");
    assert_eq!(repository.file("main", "a"), "2");
    assert_eq!(repository.refs().lines().count(), 2);
}

#[tokio::test]
async fn whoever_is_second_puts_theirs_on_top() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1"), ("b", "1")]);
    let (first_job, second_job) = (job(), job());
    let mut first = changed(&first_job, &host, "a", "first").await;
    let mut second = changed(&second_job, &host, "b", "second").await;
    std::fs::write(second.folder().join("c"), "second").unwrap();
    second.commit(&says("c is second")).await.unwrap().unwrap();

    assert!(!first.push(&to("main")).await.unwrap().unwrap().rebased);
    let pushed = second.push(&to("main")).await.unwrap().unwrap();
    assert!(pushed.rebased);
    assert_eq!(repository.subjects("main"), ["c is second", "b is second", "a is first", "of somebody else"]);
    assert_eq!(repository.file("main", "a"), "first");
    assert_eq!(std::fs::read_to_string(second.folder().join("a")).unwrap(), "first", "theirs is here too");
    assert_eq!(second.commit_id(), pushed.commit);
    let people = repository.git(["log", "-2", "--format=%an %cn", "main"]);
    assert_eq!(people, "A. Uthor A. Uthor\nA. Uthor A. Uthor");
    // And it goes on from there.
    std::fs::write(second.folder().join("d"), "second").unwrap();
    second.commit(&says("d is second")).await.unwrap().unwrap();
    assert!(!second.push(&to("main")).await.unwrap().unwrap().rebased);
}

#[tokio::test]
async fn many_at_the_same_time_all_arrive() {
    const MANY: usize = 4;
    let host = Arc::new(HttpHost::guarded().await);
    let repository = host.repository("x.git", &[("a", "1")]);
    let pushers = (0..MANY).map(|number| {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let job = job();
            let mut checkout = changed(&job, &host, &format!("file-{number}"), "mine").await;
            checkout.push(&to("main").with_tries(50)).await.map(|pushed| pushed.unwrap().commit)
        })
    });
    for pusher in pushers.collect::<Vec<_>>() {
        let commit = pusher.await.unwrap().unwrap();
        repository.git(["merge-base", "--is-ancestor", &commit, "main"]);
    }
    assert_eq!(repository.subjects("main").len(), MANY + 1);
}

#[tokio::test]
async fn the_same_change_of_somebody_else_is_enough() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    let theirs = repository.commit("main", &[("a", "2")]);
    assert_eq!(checkout.push(&to("main")).await.unwrap(), None);
    assert_eq!((repository.tip("main"), job.commits()), (Some(theirs), 0));
}

#[tokio::test]
async fn a_conflict_ends_the_job_and_theirs_stands() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1"), ("b", "1")]);
    let recorder = Recorder::new();
    let job = recorder.builder().build().unwrap();
    let mut checkout = changed(&job, &host, "a", "mine").await;
    let mine = checkout.commit_id().to_owned();
    let theirs = repository.commit("main", &[("a", "theirs")]);
    let error = refused(checkout.push(&to("main")).await);
    assert!(matches!(&error, GitError::Conflict { files, .. } if files == "\"a\""), "{error:?}");
    let error = error.at(|field| field.under("")).to_string();
    assert!(error.starts_with("/branch: others have changed the same lines on \"main\" (\"a\")"), "{error}");
    assert_eq!((repository.tip("main"), host.pushes(), job.commits()), (Some(theirs), 0, 0));
    assert!(!recorder.args().iter().any(|arg| arg.contains("force") || arg == "-f" || arg.starts_with('+')));
    assert_eq!(checkout.commit_id(), mine);
    assert_eq!(std::fs::read_to_string(checkout.folder().join("a")).unwrap(), "mine", "the rebase was taken back");
    assert_eq!(checkout.changes().await.unwrap(), []);
}

#[tokio::test]
async fn somebody_who_is_always_faster_ends_it() {
    let there = Arc::new(Mutex::new(None::<BareRepository>));
    let of_hook = Arc::clone(&there);
    let host = HttpHost::with_hook(move |asked| {
        if let (true, Some(repository)) = (asked.is_push(), &*of_hook.lock().unwrap()) {
            repository.commit("main", &[("theirs", &repository.tip("main").unwrap())]);
        }
        Answer::Git
    })
    .await;
    let repository = host.repository("x.git", &[("a", "1")]);
    *there.lock().unwrap() = Some(repository.clone());
    let job = job();
    let mut checkout = changed(&job, &host, "a", "mine").await;
    let error = refused(checkout.push(&to("main").with_tries(3)).await);
    assert!(matches!(error, GitError::PushedByOthers { tries: 3, .. }), "{error:?}");
    let error = error.at(|field| field.under("")).to_string();
    assert!(error.starts_with("/branch: others pushed to \"main\" first, 3 times; try again later"), "{error}");
    assert_eq!(host.pushes(), 3);
    assert_eq!(repository.subjects("main"), ["of somebody else"; 4], "nothing of theirs is lost");
    assert_eq!(job.log().matches("trying again on top of theirs").count(), 2);
}

#[tokio::test]
async fn a_protected_branch_is_a_refusal_in_the_hosts_words() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    repository.hook(
        "update",
        "[ \"$1\" = refs/heads/main ] || exit 0; echo 'GH006: Protected branch update failed' >&2; exit 1",
    );
    let before = repository.refs();
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    let error = refused(checkout.push(&to("main")).await);
    assert!(matches!(error, GitError::PushRefused { .. }), "{error:?}");
    let error = error.at(|field| field.under("")).to_string();
    assert!(error.starts_with("/branch: the host refused the push to \"main\": "), "{error}");
    assert!(
        error.contains("GH006: Protected branch update failed") && error.contains("push to another branch"),
        "{error}"
    );
    assert_eq!((repository.refs(), host.pushes()), (before, 1), "it is not tried again");
    assert!(checkout.push(&to("another")).await.unwrap().unwrap().created);
}

#[tokio::test]
async fn a_branch_that_the_host_cannot_write_is_a_refusal_too() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    // Somebody who died while writing.
    std::fs::write(repository.dir.join("refs/heads/main.lock"), "").unwrap();
    let error = refused(checkout.push(&to("main").with_tries(2)).await);
    assert!(matches!(&error, GitError::PushRefused { said, .. } if said.contains("failed to update ref")), "{error:?}");
    assert_eq!(host.pushes(), 2, "it might have gone away");
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_recognised() {
    let host = HttpHost::with_hook(|asked| if asked.is_push() { Answer::Lost } else { Answer::Git }).await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    let pushed = checkout.push(&to("main")).await.unwrap().unwrap();
    assert_eq!(repository.tip("main"), Some(pushed.commit));
    assert_eq!(host.pushes(), 1, "and not done again");
}

#[tokio::test]
async fn a_push_that_fails_otherwise_is_an_answer_of_git() {
    let down = |asked: &crate::hosts::http::Asked| {
        if asked.is_push() { Answer::Status(axum::http::StatusCode::BAD_GATEWAY) } else { Answer::Git }
    };
    let host = HttpHost::with_hook(down).await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let before = repository.refs();
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    let error = refused(checkout.push(&to("main")).await);
    assert!(
        matches!(&error, GitError::Failed(ExecutorError::ToolFailed { tool, message, .. })
            if tool == "git push" && message.contains("502")),
        "{error:?}"
    );
    assert_eq!(repository.refs(), before);
}

#[tokio::test]
async fn without_the_commit_point_nothing_is_pushed() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let before = repository.refs();
    let job = builder().refuse_commit().build().unwrap();
    let mut checkout = changed(&job, &host, "a", "2").await;
    let error = refused(checkout.push(&to("main")).await);
    assert!(matches!(error, GitError::Failed(ExecutorError::CommitRefused(_))), "{error:?}");
    assert_eq!((repository.refs(), host.pushes()), (before, 0));
}

/// A host that has the job stopped at the moment of the push; whether the push arrives is up to `arrives`.
async fn stopped_while_pushing(arrives: bool) -> (String, bool) {
    let trigger = Arc::new(Mutex::new(None::<(StopTrigger, BareRepository)>));
    let of_hook = Arc::clone(&trigger);
    let host = HttpHost::with_hook(move |asked| {
        let trigger = of_hook.lock().unwrap();
        let (true, Some((stop, repository))) = (asked.is_push(), &*trigger) else { return Answer::Git };
        if arrives {
            // The host has taken it, and is slow to say so.
            repository.git(["fetch", "--quiet", "--update-head-ok", "../clone-of-the-job", "HEAD:main"]);
        }
        stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
        Answer::Silence
    })
    .await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "a", "2").await;
    std::os::unix::fs::symlink(checkout.git_dir(), host.dir("clone-of-the-job")).unwrap();
    *trigger.lock().unwrap() = Some((job.stop.clone(), repository.clone()));
    let error = refused(checkout.push(&to("main")).await);
    assert!(matches!(error, GitError::Failed(ExecutorError::Stopped(StopReason::CancelledByUser))), "{error:?}");
    (job.log(), repository.tip("main").as_deref() == Some(checkout.commit_id()))
}

#[tokio::test]
async fn a_stopped_push_says_what_became_of_it() {
    let (log, arrived) = stopped_while_pushing(false).await;
    assert!(log.contains("stopped; nothing was pushed to main") && !arrived, "{log}");
    let (log, arrived) = stopped_while_pushing(true).await;
    assert!(log.contains("stopped, but the push had arrived: main is at commit") && arrived, "{log}");
}

#[tokio::test]
async fn a_branch_elsewhere_in_history_is_built_upon() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    repository.commit("other", &[("unrelated", "1")]);
    let job = job();
    let mut checkout = changed(&job, &host, "b", "mine").await;
    let pushed = checkout.push(&to("other")).await.unwrap().unwrap();
    assert!(pushed.rebased && !pushed.created);
    assert_eq!(pushed.branch, Branch::parse("other").unwrap());
    assert_eq!(repository.subjects("other"), ["b is mine", "of somebody else"]);
    assert_eq!(repository.git(["ls-tree", "-r", "--name-only", "other"]), "b\nunrelated");
}
