//! Putting our commits on top of what others have pushed.

use crate::answer;
use crate::checkout::{Checkout, signed};
use crate::contents;
use crate::failure::GitError;
use crate::git;
use crate::reference::Branch;

impl Checkout<'_> {
    /// Puts our commits on top of what others have pushed; false if they have pushed nothing. On a conflict everything
    /// here is as before.
    pub(crate) async fn catch_up(&mut self, branch: &Branch) -> Result<bool, GitError> {
        let repository = &self.repository;
        git::fetch(repository, &self.remote, &branch.full(), self.depth).await?;
        contents::check(repository, "FETCH_HEAD").await?;
        let theirs = repository.commit_id("FETCH_HEAD").await?;
        if theirs == self.base {
            return Ok(false);
        }
        repository.job().log().system(format!("others have pushed to {branch}; it is at commit {theirs}"));
        match &self.committer {
            Some(committer) if self.has_commits() => {
                let args = [
                    "rebase",
                    "--quiet",
                    "--no-autostash",
                    "--no-gpg-sign",
                    "--empty=drop",
                    "--onto",
                    &theirs,
                    &self.base,
                ];
                let rebased = repository.job().run(signed(repository.local(args), committer)).await?;
                if !rebased.exit.is_success() {
                    let failure = answer::failure("git rebase", &rebased);
                    return Err(self.give_up(branch).await?.unwrap_or(failure));
                }
            }
            _ => repository.run(repository.local(["checkout", "--quiet", "--detach", &theirs])).await?,
        }
        self.head = self.repository.commit_id("HEAD").await?;
        self.base = theirs;
        Ok(true)
    }

    /// Takes back a rebase that cannot go on. The conflict, if that is what it was.
    async fn give_up(&self, branch: &Branch) -> Result<Option<GitError>, GitError> {
        let repository = &self.repository;
        let unmerged = repository.local(["diff", "--name-only", "--diff-filter=U", "-z"]);
        let files = repository.ask(unmerged).await?;
        let files: Vec<_> =
            String::from_utf8_lossy(&files).split_terminator('\0').map(|file| format!("{file:?}")).collect();
        // Where it never began there is nothing to take back.
        let _ = repository.ask(repository.local(["rebase", "--abort"])).await;
        let conflict = || GitError::Conflict { branch: branch.to_string(), files: files.join(", ") };
        Ok((!files.is_empty()).then(conflict))
    }
}
