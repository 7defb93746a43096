//! Git's own files of one clone, and how every command on it is built: what it may read, run and ask.

use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, Finished, JobContext};
use tempfile::TempDir;

use crate::answer;
use crate::failure::GitError;
use crate::git::Git;
use crate::remote::Remote;
use crate::ssh;

/// Told to every command. Through the environment, so that the helpers which git starts are told the same.
const ALWAYS: &[(&str, &str)] = &[
    // Nothing that lies in a repository is run.
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.pager", "cat"),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("rerere.enabled", "false"),
    // Nothing in it leads elsewhere: links become small text files, submodules stay empty.
    ("core.symlinks", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("diff.ignoreSubmodules", "all"),
    ("transfer.bundleURI", "false"),
    // What is malformed or hostile is not taken at all, but for what old tools have left in many a history.
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("fetch.fsckObjects", "true"),
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.fsck.missingSpaceBeforeEmail", "ignore"),
    ("fetch.fsck.missingNameBeforeEmail", "ignore"),
    ("fetch.fsck.missingEmail", "ignore"),
    // Nobody is asked, and nobody else's secrets are used.
    ("credential.helper", ""),
    ("core.askPass", ""),
    // A token would go wherever a redirect says.
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    // A host that says nothing for five minutes is gone.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "300"),
    ("ssh.variant", "ssh"),
    // The files are as they are in the repository.
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    // A clone lives as long as a job: no housekeeping, no process in the background.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.logAllRefUpdates", "false"),
    ("advice.pushUpdateRejected", "false"),
];

/// Git's own files of one clone. They lie outside of the folder that holds the repository's files, so that neither the
/// repository nor a tool that works there can say anything to git. They go away with this.
pub(crate) struct Repository<'a> {
    git: Git<'a>,
    private: TempDir,
    work_tree: PathBuf,
}

impl<'a> Repository<'a> {
    pub(crate) fn new(git: Git<'a>, work_tree: &Path) -> Result<Self, GitError> {
        let temp = &git.job.paths().temp;
        let private = tempfile::Builder::new().prefix("git-").tempdir_in(temp);
        let private = private.map_err(ExecutorError::io("cannot make a folder for git"))?;
        Ok(Self { git, private, work_tree: work_tree.to_owned() })
    }

    pub(crate) fn job(&self) -> &'a JobContext {
        self.git.job
    }

    pub(crate) fn work_tree(&self) -> &Path {
        &self.work_tree
    }

    /// For files that git is to read, and for its own.
    pub(crate) fn private(&self) -> &Path {
        self.private.path()
    }

    /// A command that asks nobody.
    pub(crate) fn local<A: AsRef<str>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        self.command(args, "", &[])
    }

    /// A command that speaks to `remote`, with what opens it.
    pub(crate) fn remote<A: AsRef<str>>(
        &self,
        remote: &Remote,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Command, GitError> {
        let protocols = if remote.url.scheme() == "http" { "http:https:ssh" } else { "https:ssh" };
        if remote.url.is_ssh() {
            return self.over_ssh(remote, self.command(args, protocols, &[]));
        }
        let Some(token) = &remote.token else { return Ok(self.command(args, protocols, &[])) };
        self.job().mask(token.secret());
        let scope = format!("http.{}.extraheader", remote.url.origin());
        Ok(self.command(args, protocols, &[(&scope, &token.header())]))
    }

    fn over_ssh(&self, remote: &Remote, command: Command) -> Result<Command, GitError> {
        let command = command.env(ssh::PROGRAM, self.job().tool("ssh")?);
        let Some(key) = &remote.ssh_key else { return Ok(command.env("GIT_SSH_COMMAND", ssh::AS_RUNNER)) };
        let config = ssh::write_config(self.private(), key)?;
        Ok(command.env("GIT_SSH_COMMAND", ssh::WITH_KEY).env(ssh::CONFIG, config))
    }

    fn command<A: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = A>,
        protocols: &str,
        more: &[(&str, &str)],
    ) -> Command {
        let mut command = self.git.command();
        command = command
            .env("GIT_DIR", self.private().join("repository"))
            .env("GIT_WORK_TREE", &self.work_tree)
            .env("GIT_ALLOW_PROTOCOL", protocols);
        let config = ALWAYS.iter().chain(more);
        for (number, (key, value)) in config.clone().enumerate() {
            command =
                command.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command = command.env("GIT_CONFIG_COUNT", config.count().to_string());
        command.args(args.into_iter().map(|arg| arg.as_ref().to_owned())).dir(&self.work_tree)
    }

    /// Runs a command that speaks to nobody, and is to succeed.
    pub(crate) async fn run(&self, command: Command) -> Result<(), GitError> {
        let verb = answer::verb(&command);
        let finished = self.job().run(command).await?;
        if finished.exit.is_success() { Ok(()) } else { Err(answer::failure(&verb, &finished)) }
    }

    /// Runs a command that speaks to nobody, and is to succeed; what it prints.
    pub(crate) async fn ask(&self, command: Command) -> Result<Vec<u8>, GitError> {
        let verb = answer::verb(&command);
        let finished = self.job().capture(command).await?;
        if finished.exit.is_success() { Ok(finished.stdout) } else { Err(answer::failure(&verb, &finished)) }
    }

    /// The id of a commit.
    pub(crate) async fn commit_id(&self, name: &str) -> Result<String, GitError> {
        let commit = format!("{name}^{{commit}}");
        let printed = self.ask(self.local(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])).await?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// Runs a command that speaks to `remote`; how it ended, or why the remote did not let it.
    pub(crate) async fn speak(&self, remote: &Remote, command: Command) -> Result<Finished, GitError> {
        let verb = answer::verb(&command);
        let finished = self.job().capture(command).await?;
        if finished.exit.is_success() { Ok(finished) } else { Err(answer::remote_failure(&verb, &finished, remote)) }
    }
}
