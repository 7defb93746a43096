//! Where a token goes, and where it does not.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use executor_api::LogStream;
use executor_git::{GitError, GitUrl, Remote, Token};

use crate::hosts::http::{Answer, authorization};
use crate::hosts::repository::{git_command, run};
use crate::hosts::{HttpHost, TOKEN};
use crate::jobs::{Recorder, all_bytes, clone, holds, job, refused, says, to};

/// The command lines of all processes of this machine.
fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

fn encoded() -> String {
    authorization().trim_start_matches("Basic ").to_owned()
}

#[tokio::test]
async fn a_token_is_in_no_argument_no_file_and_no_log() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let of_hook = Arc::clone(&seen);
    // While the host is asked, all of git's processes are there.
    let host = HttpHost::with_hook(move |_| {
        of_hook.lock().unwrap().extend(command_lines());
        Answer::Git
    })
    .await;
    host.repository("x.git", &[("a", "1")]);
    let recorder = Recorder::new();
    let job = recorder.builder().build().unwrap();
    let mut checkout = clone(&job, host.remote("x.git")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    checkout.dry_run(&to("main")).await.unwrap();
    checkout.commit(&says("two")).await.unwrap().unwrap();
    checkout.push(&to("main")).await.unwrap().unwrap();

    let lines = seen.lock().unwrap().join("\n");
    let helper = format!("git-remote-http http://127.0.0.1:{}/x.git", host.port());
    assert!(lines.contains(&helper), "this test sees the processes that it wants to see");
    let args = recorder.args().join("\n");
    assert!(args.contains("fetch") && args.contains("push"), "{args}");
    let files = all_bytes(job.folder());
    assert!(holds(&files, "repository"), "git's own files are among these");
    for secret in [TOKEN, &encoded()] {
        assert!(!lines.contains(secret), "a command line shows it");
        assert!(!args.contains(secret), "an argument shows it");
        assert!(!holds(&files, secret), "a file holds it");
        assert!(!job.log().contains(secret), "the log holds it");
    }
    let env = recorder.env();
    assert!(env.contains(&encoded()), "the environment is where it is");
    let scope = format!("=http.http://127.0.0.1:{}/.extraheader\n", host.port());
    assert!(env.contains(&scope) && !env.contains("=http.extraheader"), "and it is for this host");
    assert!(
        host.asked().iter().all(|asked| asked.authorization == Some(authorization())),
        "no request asks without it"
    );
}

#[tokio::test]
async fn a_host_that_prints_the_token_does_not_get_it_into_the_log() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    repository.hook("pre-receive", &format!("echo 'your token is {TOKEN}' >&2; exit 1"));
    let job = job();
    let mut checkout = clone(&job, host.remote("x.git")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    checkout.commit(&says("two")).await.unwrap().unwrap();
    let error = refused(checkout.push(&to("main")).await).to_string();
    assert!(error.contains("your token is ***") && !error.contains(TOKEN), "{error}");
    let log = String::from_utf8(job.log_of(LogStream::Stderr)).unwrap();
    assert!(log.contains("your token is ***") && !log.contains(TOKEN), "{log}");
}

/// `elsewhere` is another host by name and by port.
fn redirect_to(elsewhere: &HttpHost) -> impl Fn(&crate::hosts::http::Asked) -> Answer + Send + Sync + 'static {
    let origin = format!("http://localhost:{}", elsewhere.port());
    move |asked| Answer::Elsewhere(format!("{origin}{}?{}", asked.path, asked.query))
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = HttpHost::open().await;
    other.repository("x.git", &[("a", "of the other host")]);
    let host = HttpHost::with_hook(redirect_to(&other)).await;

    // What git does by itself: it follows, and after that it sends its header there.
    let scope = format!("http.http://127.0.0.1:{}/.extraheader", host.port());
    let url = host.url("x.git");
    let by_itself = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = git_command(folder.path(), ["clone", "--quiet", url.as_str(), "clone"]);
        // Not as an argument: another test looks at all of them.
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", scope);
        run(command.env("GIT_CONFIG_VALUE_0", format!("Authorization: {}", authorization())), b"");
    });
    by_itself.await.unwrap();
    assert!(other.asked().iter().any(|asked| asked.authorization.is_some()), "this is the danger");

    let before = other.asked().len();
    let job = job();
    let error = refused(clone(&job, host.remote("x.git")).await);
    assert!(matches!(error, GitError::Redirected { .. }), "{error}");
    let error = error.at(|field| field.under("/source/git")).to_string();
    assert!(error.starts_with("/source/git/url: ") && error.contains("give that address"), "{error}");
    assert_eq!(other.asked().len(), before, "nobody went there");
}

#[tokio::test]
async fn a_push_that_is_redirected_goes_nowhere() {
    let other = HttpHost::open().await;
    let there = other.repository("x.git", &[("a", "1")]);
    // Reading works; a push is sent elsewhere: at its first request, and at its second.
    for sent_away in ["git-receive-pack", "POST"] {
        let redirect = redirect_to(&other);
        let host = HttpHost::with_hook(move |asked| {
            let is_push = asked.query.contains("git-receive-pack") || asked.is_push();
            let fits = is_push && (sent_away == "git-receive-pack" || asked.method == "POST");
            if fits { redirect(asked) } else { Answer::Git }
        })
        .await;
        let here = host.repository("x.git", &[("a", "1")]);
        let before = (here.refs(), there.refs());
        let job = job();
        let mut checkout = clone(&job, host.remote("x.git")).await.unwrap();
        std::fs::write(checkout.folder().join("a"), "2").unwrap();
        checkout.commit(&says("two")).await.unwrap().unwrap();
        let error = refused(checkout.push(&to("main")).await);
        assert!(matches!(error, GitError::Redirected { .. }), "{sent_away}: {error}");
        assert_eq!((here.refs(), there.refs()), before, "{sent_away}");
        assert!(other.asked().is_empty(), "{sent_away}: nobody went there");
    }
}

#[tokio::test]
async fn the_redirect_that_only_adds_git_is_done_by_hand() {
    // As GitLab does.
    let host = HttpHost::with_hook(|asked| match asked.path.strip_prefix("/x/") {
        Some(rest) => Answer::Elsewhere(format!("/x.git/{rest}?{}", asked.query)),
        None => Answer::Git,
    })
    .await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = clone(&job, host.remote("x")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    checkout.commit(&says("two")).await.unwrap().unwrap();
    checkout.push(&to("main")).await.unwrap().unwrap();
    assert_eq!(repository.file("main", "a"), "2");
}

#[tokio::test]
async fn a_token_is_for_the_port_that_it_was_given_for() {
    let other = HttpHost::open().await;
    other.repository("x.git", &[("a", "1")]);
    let job = job();
    // The same token in the same job, another remote without one.
    let host = HttpHost::guarded().await;
    host.repository("x.git", &[("a", "1")]);
    clone(&job, host.remote("x.git")).await.unwrap();
    let git = executor_git::Git::find(&job.context).await.unwrap();
    let dest = job.context.work_dir().join("other");
    git.clone(Remote::new(other.url("x.git")), &Default::default(), &dest).await.unwrap();
    assert!(other.asked().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn a_token_that_may_only_read_is_told_before_the_commit_point() {
    let host = HttpHost::with_hook(|asked| {
        let is_push = asked.query.contains("git-receive-pack") || asked.is_push();
        if is_push { Answer::Status(StatusCode::FORBIDDEN) } else { Answer::Git }
    })
    .await;
    host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = clone(&job, host.remote("x.git")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    let dry = refused(checkout.dry_run(&to("main")).await);
    checkout.commit(&says("two")).await.unwrap().unwrap();
    let real = refused(checkout.push(&to("main")).await);
    for error in [dry, real] {
        assert!(matches!(error, GitError::AccessRefused { .. }), "{error}");
        assert!(error.to_string().contains("write for a push"), "{error}");
    }
    assert_eq!(job.commits(), 0, "nothing was changed");
}

#[tokio::test]
async fn a_token_has_no_part_in_ssh_and_none_is_asked_for_at_a_prompt() {
    let recorder = Recorder::new();
    let job = recorder.builder().build().unwrap();
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = GitUrl::parse_trusted(&format!("ssh://git@127.0.0.1:{port}/x.git")).unwrap();
    refused(clone(&job, Remote::new(url).with_token(Token::new(TOKEN).unwrap())).await);
    let env = recorder.env();
    assert!(!env.contains(TOKEN) && !env.contains(&encoded()), "{env}");
    assert!(env.contains("GIT_TERMINAL_PROMPT=0") && env.contains("-oBatchMode=yes"), "{env}");
}
