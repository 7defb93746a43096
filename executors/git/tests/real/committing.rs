//! Committing what has changed, and the answer that nothing has.

use executor_git::{Change, CommitOptions, Kind, Person, Remote};

use crate::hosts::{BareRepository, HttpHost};
use crate::jobs::{Recorder, clone, job, refused, says, to};

#[tokio::test]
async fn nothing_to_commit_and_nothing_to_push_are_answers() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let before = repository.refs();
    let job = job();
    let mut checkout = clone(&job, host.remote("x.git")).await.unwrap();
    // Touched, and the same.
    std::fs::write(checkout.folder().join("a"), "1").unwrap();
    assert_eq!(checkout.commit(&says("nothing")).await.unwrap(), None);
    assert!(checkout.dry_run(&to("main")).await.unwrap().is_nothing());
    assert_eq!(checkout.push(&to("main")).await.unwrap(), None);
    assert_eq!(job.commits(), 0, "nothing was changed, so nothing was announced");
    assert_eq!(repository.refs(), before);
    assert!(job.log().contains("dry run: nothing to commit, nothing to push to main"), "{}", job.log());
}

#[tokio::test]
async fn everything_that_differs_is_committed_but_what_is_ignored() {
    let host = HttpHost::open().await;
    host.repository("x.git", &[("kept", "1"), ("gone", "1"), ("changed", "1"), (".gitignore", "*.log\n")]);
    let job = job();
    let mut checkout = clone(&job, Remote::new(host.url("x.git"))).await.unwrap();
    let write = |name: &str, text: &str| std::fs::write(checkout.folder().join(name), text).unwrap();
    std::fs::remove_file(checkout.folder().join("gone")).unwrap();
    std::fs::create_dir(checkout.folder().join("dir")).unwrap();
    for (name, text) in [("changed", "2"), ("dir/new file\n", "x"), ("-x", "x"), ("b.log", "x"), ("\u{e9}", "x")] {
        write(name, text);
    }
    let change = |kind, path: &str| Change { path: path.to_owned(), kind };
    let expected = vec![
        change(Kind::Modified, "changed"),
        change(Kind::Deleted, "gone"),
        change(Kind::Added, "-x"),
        change(Kind::Added, "dir/new file\n"),
        change(Kind::Added, "\u{e9}"),
    ];
    assert_eq!(checkout.changes().await.unwrap(), expected);
    let commit = checkout.commit(&says("all")).await.unwrap().unwrap();
    assert_eq!(commit.changes, expected);
    assert_eq!(commit.id, checkout.commit_id());
    let inside = BareRepository { dir: checkout.git_dir() };
    let names = inside.git(["ls-tree", "-r", "-z", "--name-only", "HEAD"]);
    assert_eq!(
        names.trim_end_matches('\0').split('\0').collect::<Vec<_>>(),
        ["-x", ".gitignore", "changed", "dir/new file\n", "kept", "\u{e9}"]
    );
    assert_eq!(checkout.commit(&says("again")).await.unwrap(), None);
}

#[tokio::test]
async fn message_and_people_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let host = HttpHost::open().await;
    host.repository("x.git", &[("a", "1")]);
    let recorder = Recorder::new();
    let job = recorder.builder().build().unwrap();
    let mut checkout = clone(&job, Remote::new(host.url("x.git"))).await.unwrap();
    let inside = BareRepository { dir: checkout.git_dir() };
    let (long, command) = ("x".repeat(60 * 1024), format!("$(touch {}) `id`", evil.display()));
    for (number, text) in [
        "--amend",
        "-F/etc/passwd",
        "--author=evil <evil@example.com>",
        "# no comment\n# neither\n",
        &command,
        "@/etc/passwd",
        "a,b={c},[d]",
        "\u{fc}n\u{ef}code \u{1f980}",
        "one\n\n\ttwo   \n\n\n",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(checkout.folder().join("a"), format!("{number}")).unwrap();
        let name: String = text.chars().take(60).filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
        let name = name.trim_end().to_owned();
        let person = Person::new(&name, &name).unwrap();
        let committer = Person::new("C. Ommitter", "committer@example.com").unwrap();
        let options = CommitOptions::new(text, person).unwrap().with_committer(committer);
        checkout.commit(&options).await.unwrap().unwrap();
        let shown = inside.git(["log", "-1", "--format=%an%n%ae%n%cn%n%ce%n%B%x2e", "HEAD"]);
        let expected = format!("{name}\n{name}\nC. Ommitter\ncommitter@example.com\n{}", text.trim_end());
        assert!(shown.starts_with(&expected), "{text:.60}: {shown:.300}");
        assert_eq!(inside.git(["rev-list", "--count", "HEAD"]), (number + 2).to_string(), "a commit is never replaced");
        assert!(!recorder.args().iter().any(|arg| arg.contains(text) || arg == &name), "{text:.60} is an argument");
    }
    assert!(!evil.exists(), "something was run");
}

#[tokio::test]
async fn a_repository_in_the_repository_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let host = HttpHost::open().await;
    host.repository("x.git", &[("a", "1")]);
    let job = job();
    let mut checkout = clone(&job, Remote::new(host.url("x.git"))).await.unwrap();
    let nested = BareRepository::new(job.context.work_dir().join("nested.git"), &[("b", "1")]);
    std::fs::create_dir(checkout.folder().join("nested")).unwrap();
    std::fs::rename(&nested.dir, checkout.folder().join("nested/.git")).unwrap();
    let error = refused(checkout.commit(&says("nested")).await).to_string();
    assert!(error.contains("\"nested/\" is a repository of its own"), "{error}");
    std::fs::remove_dir_all(checkout.folder().join("nested")).unwrap();
    // In the root git does not see it at all: it is told where its own files are.
    std::fs::create_dir(checkout.folder().join(".git")).unwrap();
    let config = format!("[core]\n\tfsmonitor = touch {}\n", evil.display());
    std::fs::write(checkout.folder().join(".git/config"), config).unwrap();
    assert_eq!(checkout.commit(&says("nothing")).await.unwrap(), None);
    assert!(!evil.exists(), "something was run");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1"), ("b", "1")]);
    let before = repository.refs();
    let job = job();
    let checkout = clone(&job, host.remote("x.git")).await.unwrap();
    std::fs::write(checkout.folder().join("a"), "2").unwrap();
    std::fs::remove_file(checkout.folder().join("b")).unwrap();
    let here = crate::jobs::all_bytes(job.folder());
    let preview = checkout.dry_run(&to("main")).await.unwrap();
    let new = checkout.dry_run(&to("news")).await.unwrap();
    assert_eq!(crate::jobs::all_bytes(job.folder()), here, "nothing has changed here");
    assert_eq!((repository.refs(), host.pushes(), job.commits()), (before, 0, 0), "and nothing there");
    assert_eq!(preview.changes.len(), 2);
    assert!(!preview.is_nothing() && !preview.pushes && !preview.created && !preview.rebased);
    assert!(new.created && new.pushes);
    let log = job.log();
    for line in [
        "dry run: would commit \"a\" (modified)".to_owned(),
        "dry run: would commit \"b\" (deleted)".to_owned(),
        format!("dry run: would push to main of {}", host.url("x.git")),
        format!("dry run: would push to news of {}, a new branch", host.url("x.git")),
    ] {
        assert!(log.lines().any(|said| said == line), "{line}: {log}");
    }
    repository.commit("main", &[("c", "1")]);
    assert!(checkout.dry_run(&to("main")).await.unwrap().rebased);
}
