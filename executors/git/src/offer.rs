//! Offering commits to a host, once, and knowing what became of it.

use std::time::Duration;

use executor_api::{Command, ExecutorError};

use crate::answer;
use crate::checkout::Checkout;
use crate::failure::GitError;
use crate::reference::Branch;

/// How long a stopped job may ask what became of its push.
const LAST_LOOK: Duration = Duration::from_secs(30);
/// How many lines of a host a message tells.
const SHOWN_LINES: usize = 10;

/// Whether it is only a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    DryRun,
    Real,
}

impl Checkout<'_> {
    /// Offers our commits to the host, once. Never with force: it is for the host to say that nothing is lost.
    pub(crate) async fn offer(&self, branch: &Branch, mode: Mode) -> Result<PushAnswer, GitError> {
        let always =
            ["push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"].map(str::to_owned);
        let dry_run = (mode == Mode::DryRun).then(|| "--dry-run".to_owned());
        let refs = ["--".to_owned(), self.remote.url.to_string(), format!("{}:{}", self.head, branch.full())];
        let command = self.repository.remote(&self.remote, always.into_iter().chain(dry_run).chain(refs))?;
        let finished = match self.repository.job().capture(command).await {
            Err(ExecutorError::Stopped(reason)) if mode == Mode::Real => {
                self.tell_what_became_of_it(branch).await;
                return Err(ExecutorError::Stopped(reason).into());
            }
            finished => finished?,
        };
        match PushAnswer::read(&finished.stdout, &branch.full()) {
            Some(Err(summary)) => {
                let said = host_says(&summary, &finished.stderr_tail);
                Err(GitError::PushRefused { branch: branch.to_string(), said })
            }
            Some(Ok(answer)) if answer.is_behind() || finished.exit.is_success() => Ok(answer),
            // The answer was lost, not the push: that is only known to the host.
            _ if mode == Mode::Real && self.tip(branch).await.is_ok_and(|tip| tip.as_ref() == Some(&self.head)) => {
                Ok(PushAnswer::Accepted { created: false })
            }
            _ => Err(answer::remote_failure("git push", &finished, &self.remote)),
        }
    }

    /// The commit that the branch is at on the host.
    async fn tip(&self, branch: &Branch) -> Result<Option<String>, GitError> {
        let finished = self.repository.speak(&self.remote, self.tip_command(branch)?).await?;
        Ok(tip_of(&finished.stdout, branch))
    }

    fn tip_command(&self, branch: &Branch) -> Result<Command, GitError> {
        let full = branch.full();
        self.repository.remote(&self.remote, ["ls-remote", "--quiet", "--refs", "--", self.remote.url.as_str(), &full])
    }

    async fn tell_what_became_of_it(&self, branch: &Branch) {
        let job = self.repository.job();
        let Ok(command) = self.tip_command(branch) else { return };
        let looked = job.clean_up_capture(command, LAST_LOOK).await;
        let tip =
            looked.ok().filter(|finished| finished.exit.is_success()).map(|finished| tip_of(&finished.stdout, branch));
        job.log().system(match tip {
            Some(Some(tip)) if tip == self.head => {
                format!("stopped, but the push had arrived: {branch} is at commit {tip}")
            }
            Some(_) => format!("stopped; nothing was pushed to {branch}"),
            None => {
                format!("stopped; whether the push to {branch} arrived is not known, look for commit {}", self.head)
            }
        });
    }
}

/// `<id>\t<ref>`; the name that was asked for also finds refs that end in it.
fn tip_of(listing: &[u8], branch: &Branch) -> Option<String> {
    let full = branch.full();
    let listing = String::from_utf8_lossy(listing);
    listing
        .lines()
        .find_map(|line| line.split_once('\t').filter(|(_, name)| *name == full).map(|(id, _)| id.to_owned()))
}

/// What became of the one ref of a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushAnswer {
    /// It is there now, or would be.
    Accepted {
        /// The branch was not there before.
        created: bool,
    },
    /// It was there already.
    UpToDate,
    /// Somebody else was first, in git's or the host's words.
    Behind(String),
}

impl PushAnswer {
    pub(crate) fn is_behind(&self) -> bool {
        matches!(self, Self::Behind(_))
    }

    /// Reads `git push --porcelain`: `<flag>\t<from>:<to>\t<summary> (<reason>)`. None if it says nothing of `to`,
    /// an error with the host's reason if it refused.
    fn read(stdout: &[u8], to: &str) -> Option<Result<Self, String>> {
        let text = String::from_utf8_lossy(stdout);
        let line = text.lines().find_map(|line| {
            let (flag, rest) = line.split_once('\t')?;
            let (refs, summary) = rest.split_once('\t')?;
            (refs.split_once(':')?.1 == to).then_some((flag, summary))
        });
        let (flag, summary) = line?;
        match flag {
            " " => Some(Ok(Self::Accepted { created: false })),
            "*" => Some(Ok(Self::Accepted { created: true })),
            "=" => Some(Ok(Self::UpToDate)),
            "!" if was_behind(summary) => Some(Ok(Self::Behind(summary.to_owned()))),
            // Whether it did it is what the host failed to say.
            "!" if summary.starts_with("[remote failure]") => None,
            "!" => Some(Err(summary.to_owned())),
            _ => None,
        }
    }
}

/// The first group is git's own look before it pushes, the second is the host's, when two push at the same moment.
fn was_behind(summary: &str) -> bool {
    let reasons = ["(fetch first)", "(non-fast-forward)", "(stale info)", "(remote ref updated since checkout)"];
    let race = ["cannot lock ref", "failed to update ref", "incorrect old value", "reference already exists"];
    reasons.iter().chain(&race).any(|reason| summary.contains(reason))
}

/// What the host said to whoever pushes: its `remote:` lines.
fn host_says(summary: &str, stderr: &str) -> String {
    let lines =
        stderr.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = std::iter::once(summary).chain(lines.take(SHOWN_LINES)).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_push_is_read() {
        let read =
            |line: &str| PushAnswer::read(format!("To https://h/x\n{line}\nDone\n").as_bytes(), "refs/heads/main");
        let accepted = |created| Some(Ok(PushAnswer::Accepted { created }));
        let behind = |why: &str| Some(Ok(PushAnswer::Behind(why.to_owned())));
        let refused = |why: &str| Some(Err(why.to_owned()));
        for (line, answer) in [
            (" \tabc:refs/heads/main\tabc..def", accepted(false)),
            ("*\tabc:refs/heads/main\t[new branch]", accepted(true)),
            ("=\tabc:refs/heads/main\t[up to date]", Some(Ok(PushAnswer::UpToDate))),
            ("!\tabc:refs/heads/main\t[rejected] (fetch first)", behind("[rejected] (fetch first)")),
            ("!\tabc:refs/heads/main\t[rejected] (non-fast-forward)", behind("[rejected] (non-fast-forward)")),
            (
                "!\tabc:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main': is at b but expected a)",
                behind("[remote rejected] (cannot lock ref 'refs/heads/main': is at b but expected a)"),
            ),
            (
                "!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)",
                refused("[remote rejected] (pre-receive hook declined)"),
            ),
            ("!\tabc:refs/heads/main\t[remote failure] (remote failed to report status)", None),
            (" \tabc:refs/heads/other\tabc..def", None),
            ("+\tabc:refs/heads/main\tabc...def (forced update)", None),
            ("rubbish", None),
        ] {
            assert_eq!(read(line), answer, "{line:?}");
        }
    }

    #[test]
    fn the_hosts_own_words_are_told() {
        let stderr = "remote: error: GH006: Protected branch update failed        \nremote:\nerror: failed to push\n";
        assert_eq!(
            host_says("[remote rejected] (x)", stderr),
            "[remote rejected] (x); error: GH006: Protected branch update failed"
        );
    }
}
