//! Repositories and environments that want git to do something else.

use executor_git::{Checkout, CloneOptions, GitError, GitRef, Remote};

use crate::hosts::{BareRepository, HttpHost};
use crate::jobs::{Recorder, builder, clone_with, job, refused, says, to};

fn at(reference: &str) -> CloneOptions {
    CloneOptions { reference: Some(GitRef::parse(reference).unwrap()), ..CloneOptions::default() }
}

/// Everything that one does with a clone.
async fn use_it(checkout: &mut Checkout<'_>, repository: &BareRepository) {
    std::fs::write(checkout.folder().join("mine.txt"), "mine").unwrap();
    checkout.dry_run(&to("mine")).await.unwrap();
    checkout.commit(&says("mine")).await.unwrap().unwrap();
    // So that there is something to build upon.
    let theirs = repository.git(["commit-tree", "-m", "theirs", "-p", "main", "main^{tree}"]);
    repository.git(["update-ref", "refs/heads/mine", &theirs]);
    assert!(checkout.push(&to("mine")).await.unwrap().unwrap().rebased);
}

#[tokio::test]
async fn nothing_that_a_repository_brings_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let touch = format!("touch {}", evil.display());
    let config = format!(
        "[core]\n\tfsmonitor = {touch}\n\thooksPath = hooks\n\tpager = {touch}\n\tsshCommand = {touch}\n\
         [filter \"evil\"]\n\tclean = {touch}\n\tsmudge = {touch}\n\tprocess = {touch}\n\
         [diff \"evil\"]\n\ttextconv = {touch}\n\tcommand = {touch}\n[merge \"evil\"]\n\tdriver = {touch}\n"
    );
    let host = HttpHost::guarded().await;
    let hook = format!("#!/bin/sh\n{touch}\n");
    let repository = host.repository(
        "x.git",
        &[
            (".gitattributes", "* filter=evil diff=evil merge=evil\n"),
            (".gitconfig", &config),
            ("file.txt", "text"),
            // A bare repository in the root: git takes a folder for one if it looks like one.
            ("HEAD", "ref: refs/heads/main\n"),
            ("config", &config),
            ("objects/x", ""),
            ("refs/x", ""),
        ],
    );
    let blob = repository.blob(&hook);
    let hooks: Vec<_> =
        ["hooks/post-checkout", "hooks/pre-commit", "hooks/pre-push", "hooks/pre-rebase", ".githooks/pre-commit"]
            .into_iter()
            .map(|path| ("100755", blob.clone(), path))
            .collect();
    repository.commit_entries("main", &hooks);

    let job = job();
    // As a tool that ran before in the same job might have left it.
    std::fs::write(job.context.paths().home.join(".gitconfig"), &config).unwrap();
    let mut checkout = clone_with(&job, host.remote("x.git"), &CloneOptions::default()).await.unwrap();
    assert!(checkout.folder().join("hooks/pre-commit").exists(), "the hostile files are here");
    use_it(&mut checkout, &repository).await;
    assert!(!evil.exists(), "something was run");
}

#[tokio::test]
async fn nothing_that_the_operator_or_a_tool_set_for_git_counts() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let touch = format!("touch {}", evil.display());
    let host = HttpHost::guarded().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let config = folder.path().join("gitconfig");
    let port = host.port();
    std::fs::write(
        &config,
        format!(
            "[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = http://127.0.0.1:{port}/\n[core]\n\tfsmonitor = {touch}\n"
        ),
    )
    .unwrap();
    let recorder = Recorder::new();
    let job = recorder.builder().settings(|settings| {
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", config.to_str().unwrap()),
            ("GIT_CONFIG_SYSTEM", config.to_str().unwrap()),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
            ("GIT_CONFIG_VALUE_0", &touch),
            ("GIT_CONFIG_PARAMETERS", &format!("'core.fsmonitor={touch}'")),
            ("GIT_DIR", "/nonexistent"),
            ("GIT_SSH_COMMAND", &touch),
            ("GIT_SSH", &touch),
            ("GIT_ASKPASS", &touch),
            ("SSH_ASKPASS", &touch),
            ("GIT_EXTERNAL_DIFF", &touch),
            ("GIT_EDITOR", &touch),
            ("GIT_PROXY_COMMAND", &touch),
            ("GIT_EXEC_PATH", "/nonexistent"),
            ("GIT_SSL_NO_VERIFY", "1"),
            ("GIT_TRACE_CURL", "1"),
            ("GIT_TRACE_REDACT", "0"),
            ("GIT_ALLOW_PROTOCOL", "ext"),
            ("XDG_CONFIG_HOME", "/nonexistent"),
            // This one is the operator's own CA, for all tools.
            ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
        ] {
            settings.env.insert(name.to_owned(), value.to_owned());
        }
    });
    let job = job.build().unwrap();
    let mut checkout = clone_with(&job, host.remote("x.git"), &CloneOptions::default()).await.unwrap();
    use_it(&mut checkout, &repository).await;
    assert!(!evil.exists(), "something was run");
    let env = recorder.env();
    assert!(env.contains("GIT_SSL_CAINFO=/etc/ssl/certs/ca-certificates.crt\n"));
    for gone in
        ["GIT_TRACE", "GIT_SSL_NO_VERIFY", "GIT_ASKPASS", "GIT_CONFIG_PARAMETERS", "XDG_CONFIG_HOME", "/nonexistent"]
    {
        assert!(!env.contains(gone), "{gone} is in the environment");
    }
}

#[tokio::test]
async fn links_lead_nowhere() {
    let host = HttpHost::open().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let entries = [
        ("120000", repository.blob("/etc/shadow"), "shadow"),
        ("120000", repository.blob("../../.."), "up"),
        ("120000", repository.blob("a"), "inside"),
    ];
    let with_links = repository.commit_entries("main", &entries);
    let job = job();
    let mut checkout = clone_with(&job, Remote::new(host.url("x.git")), &CloneOptions::default()).await.unwrap();
    for (name, text) in [("shadow", "/etc/shadow"), ("up", "../../.."), ("inside", "a")] {
        let file = checkout.folder().join(name);
        assert!(file.symlink_metadata().unwrap().is_file(), "{name}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), text);
    }
    assert!(job.log().contains("links are not followed, they are text files here: \"inside\", \"shadow\", \"up\""));
    assert_eq!(checkout.changes().await.unwrap(), [], "they are what they were");

    // A link that a tool made is committed as a link, and what it leads to is not read.
    std::os::unix::fs::symlink("/etc/shadow", checkout.folder().join("made")).unwrap();
    checkout.commit(&says("made")).await.unwrap().unwrap();
    checkout.push(&to("main")).await.unwrap().unwrap();
    assert_eq!(repository.file("main", "made"), "/etc/shadow");
    for name in ["shadow", "up", "inside", "made"] {
        assert!(repository.git(["ls-tree", "main", name]).starts_with("120000"), "{name} is still a link");
    }
    assert_ne!(repository.tip("main"), Some(with_links));
}

#[tokio::test]
async fn a_submodule_is_an_empty_folder_and_stays_one() {
    let host = HttpHost::open().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let commit = repository.tip("main").unwrap();
    let modules = repository.blob(&format!("[submodule \"sub\"]\n\tpath = sub\n\turl = {}\n", host.url("sub.git")));
    repository.commit_entries("main", &[("100644", modules, ".gitmodules"), ("160000", commit, "sub")]);
    let job = job();
    let mut checkout = clone_with(&job, Remote::new(host.url("x.git")), &CloneOptions::default()).await.unwrap();
    assert_eq!(std::fs::read_dir(checkout.folder().join("sub")).unwrap().count(), 0);
    assert!(job.log().contains("submodules are not fetched, they are empty folders here: \"sub\""));
    use_it(&mut checkout, &repository).await;
    assert!(repository.git(["ls-tree", "mine", "sub"]).starts_with("160000"));
    assert!(host.asked().iter().all(|asked| !asked.path.contains("sub.git")));
}

#[tokio::test]
async fn what_is_malformed_is_not_taken_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let host = HttpHost::open().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    let blob = repository.blob(&format!("[core]\n\tfsmonitor = touch {}\n", evil.display()));
    let inner = repository.tree(&format!("100644 blob {blob}\tconfig\n"));
    let commit = repository.tip("main").unwrap();
    for (number, name) in [".git", ".GIT", ".Git", "git~1", ".g\u{200c}it", ".git ", ".git."].into_iter().enumerate() {
        let tree = repository.tree(&format!("040000 tree {inner}\t{name}\n"));
        repository.commit_tree(&format!("name-{number}"), &tree);
    }
    let touch = evil.display();
    let update = format!("[submodule \"s\"]\n\tpath = s\n\turl = https://example.com/s\n\tupdate = !touch {touch}\n");
    for (number, modules) in [
        update.as_str(),
        "[submodule \"../../s\"]\n\tpath = s\n\turl = https://example.com/s\n",
        "[submodule \"s\"]\n\tpath = s\n\turl = -u./evil\n",
        "[submodule \"s\"]\n\tpath = -s\n\turl = https://example.com/s\n",
        "[submodule \"s\"]\n\tpath = s\n\turl = \"https://example.com/\\ns\"\n",
    ]
    .into_iter()
    .enumerate()
    {
        let entries = [("100644", repository.blob(modules), ".gitmodules"), ("160000", commit.clone(), "s")];
        repository.commit_entries(&format!("modules-{number}"), &entries);
    }
    let link = repository.tree(&format!("120000 blob {blob}\t.gitmodules\n"));
    repository.commit_tree("modules-link", &link);
    for line in repository.refs().lines().filter(|line| !line.contains("refs/heads/main ")) {
        let branch = line.split_whitespace().next().unwrap();
        let job = job();
        let error = refused(clone_with(&job, Remote::new(host.url("x.git")), &at(branch)).await);
        assert!(matches!(error, GitError::Refused { .. }), "{branch}: {error:?}");
        let error = error.at(|field| field.under("/source/git")).to_string();
        assert!(error.starts_with("/source/git/url: the repository is refused: "), "{error}");
        let left = std::fs::read_dir(job.context.work_dir().join("clone")).unwrap().count();
        assert_eq!(left, 0, "{branch} left something");
    }
    assert!(!evil.exists(), "something was run");
}

/// A few kilobytes that unfold to 810,000 files.
#[tokio::test]
async fn a_repository_that_unfolds_is_refused_before_it_does() {
    let host = HttpHost::open().await;
    let repository = BareRepository::empty(host.dir("x.git"));
    let blob = repository.blob("x");
    let entries = |kind: &str, id: &str| (10..40).map(|n| format!("{kind} {id}\tn{n}\n")).collect::<String>();
    let mut tree = repository.tree(&entries("100644 blob", &blob));
    for _ in 0..3 {
        tree = repository.tree(&entries("040000 tree", &tree));
    }
    repository.commit_tree("main", &tree);
    let job = job();
    let error = refused(clone_with(&job, Remote::new(host.url("x.git")), &CloneOptions::default()).await);
    assert!(matches!(&error, GitError::Refused { why } if why.contains("more than 250000 files")), "{error:?}");
    assert_eq!(std::fs::read_dir(job.context.work_dir().join("clone")).unwrap().count(), 0);
}

#[tokio::test]
async fn old_mistakes_of_honest_tools_are_taken() {
    let host = HttpHost::open().await;
    let repository = host.repository("x.git", &[("a", "1")]);
    // A mode with a zero in front, as some early hosts wrote it.
    let blob = repository.blob("x");
    let mut tree = b"040000 d\0".to_vec();
    let mut inner = b"100644 f\0".to_vec();
    inner.extend(hex(&blob));
    let inner = repository.raw_tree(&inner);
    tree.extend(hex(&inner));
    let tree = repository.raw_tree(&tree);
    repository.commit_tree("old", &tree);
    let job = builder().build().unwrap();
    let checkout = clone_with(&job, Remote::new(host.url("x.git")), &at("old")).await.unwrap();
    assert_eq!(std::fs::read_to_string(checkout.folder().join("d/f")).unwrap(), "x");
}

fn hex(id: &str) -> Vec<u8> {
    (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect()
}
