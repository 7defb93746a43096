//! A bare repository on a host, and what others do to it behind our back.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bare repository with a branch `main`.
#[derive(Clone)]
pub(crate) struct BareRepository {
    pub(crate) dir: PathBuf,
}

impl BareRepository {
    pub(crate) fn empty(dir: PathBuf) -> Self {
        std::fs::create_dir_all(&dir).unwrap();
        let repository = Self { dir };
        repository.git(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "."]);
        repository
    }

    /// With one commit on `main` for each call of [`Self::commit`].
    pub(crate) fn new(dir: PathBuf, files: &[(&str, &str)]) -> Self {
        let repository = Self::empty(dir);
        repository.commit("main", files);
        repository
    }

    /// A commit of somebody else: these files over those that are there.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let entries: Vec<_> = files.iter().map(|(path, text)| ("100644", self.blob(text), *path)).collect();
        self.commit_entries(branch, &entries)
    }

    /// The same, with modes and object ids.
    pub(crate) fn commit_entries(&self, branch: &str, entries: &[(&str, String, &str)]) -> String {
        let index = self.dir.join("index-of-a-test");
        let _ = std::fs::remove_file(&index);
        let parent = self.tip(branch);
        let git = |args: &[&str]| run(self.command(args.iter().copied()).env("GIT_INDEX_FILE", &index), b"");
        if let Some(parent) = &parent {
            git(&["read-tree", parent]);
        }
        for (mode, id, path) in entries {
            git(&["update-index", "--add", "--cacheinfo", &format!("{mode},{id},{path}")]);
        }
        let tree = git(&["write-tree"]);
        self.commit_tree(branch, &tree)
    }

    pub(crate) fn commit_tree(&self, branch: &str, tree: &str) -> String {
        let parent = self.tip(branch).map(|parent| ["-p".to_owned(), parent]);
        let args = ["commit-tree".to_owned(), "-m".to_owned(), "of somebody else".to_owned(), tree.to_owned()];
        let commit = self.git(args.into_iter().chain(parent.into_iter().flatten()));
        self.git(["update-ref", &format!("refs/heads/{branch}"), &commit]);
        commit
    }

    pub(crate) fn blob(&self, text: &str) -> String {
        run(&mut self.command(["hash-object", "-w", "--stdin"]), text.as_bytes())
    }

    /// A tree of any names, also those that git does not let into an index.
    pub(crate) fn tree(&self, entries: &str) -> String {
        run(&mut self.command(["mktree"]), entries.as_bytes())
    }

    /// A tree byte by byte.
    pub(crate) fn raw_tree(&self, bytes: &[u8]) -> String {
        run(&mut self.command(["hash-object", "-w", "-t", "tree", "--literally", "--stdin"]), bytes)
    }

    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let printed = run(&mut self.command(["for-each-ref", "--format=%(objectname)", &name]), b"");
        (!printed.is_empty()).then_some(printed)
    }

    /// All branches and where they are.
    pub(crate) fn refs(&self) -> String {
        self.git(["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    /// A file at the tip of a branch.
    pub(crate) fn file(&self, branch: &str, path: &str) -> String {
        self.git(["show", &format!("{branch}:{path}")])
    }

    /// What the commits of a branch say, newest first.
    pub(crate) fn subjects(&self, branch: &str) -> Vec<String> {
        self.git(["log", "--format=%s", branch]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn hook(&self, name: &str, script: &str) {
        let hooks = self.dir.join("hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        write_program(&hooks.join(name), script);
    }

    pub(crate) fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        run(&mut self.command(args), b"")
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        git_command(&self.dir, args)
    }
}

#[expect(clippy::disallowed_methods, reason = "the host of a test is no job")]
pub(crate) fn git_command<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "somebody").env(format!("GIT_{role}_EMAIL"), "somebody@example.com");
    }
    command
}

pub(crate) fn run(command: &mut Command, stdin: &[u8]) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

pub(crate) fn write_program(file: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}
