//! A dry run: what a commit and a push would do.

use serde::Serialize;

use crate::checkout::{Change, Checkout};
use crate::failure::GitError;
use crate::offer::{Mode, PushAnswer};
use crate::push::PushOptions;
use crate::reference::Branch;

/// How many files the log tells.
const SHOWN_CHANGES: usize = 100;

/// What a commit and a push would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// What would be committed.
    pub changes: Vec<Change>,
    /// Where it would be pushed.
    pub branch: Branch,
    /// Whether there is something to push even if nothing is committed any more.
    pub pushes: bool,
    /// Whether the branch would be made.
    pub created: bool,
    /// Whether others have pushed, so that our commits would be put on top of theirs.
    pub rebased: bool,
}

impl Preview {
    /// Whether nothing would happen.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty() && !self.pushes
    }
}

impl Checkout<'_> {
    /// Says what [`Self::commit`] and [`Self::push`] would do, and does nothing: not here and not there. That a push is
    /// allowed is asked of the host, as far as hosts say so beforehand.
    ///
    /// # Errors
    /// As for these two.
    pub async fn dry_run(&self, options: &PushOptions) -> Result<Preview, GitError> {
        let branch = &options.branch;
        let changes = self.changes().await?;
        let answer = self.offer(branch, Mode::DryRun).await?;
        let preview = Preview {
            changes,
            branch: branch.clone(),
            pushes: match answer {
                PushAnswer::Accepted { .. } => true,
                PushAnswer::UpToDate => false,
                PushAnswer::Behind(_) => self.has_commits(),
            },
            created: answer == PushAnswer::Accepted { created: true },
            rebased: answer.is_behind(),
        };
        self.tell(&preview);
        Ok(preview)
    }

    fn tell(&self, preview: &Preview) {
        let log = self.repository.job().log();
        for change in preview.changes.iter().take(SHOWN_CHANGES) {
            log.system(format!("dry run: would commit {:?} ({})", change.path, change.kind));
        }
        let more = preview.changes.len().saturating_sub(SHOWN_CHANGES);
        if more > 0 {
            log.system(format!("dry run: would commit {more} more files"));
        }
        let (branch, url) = (&preview.branch, &self.remote.url);
        log.system(match preview {
            preview if preview.is_nothing() => {
                format!("dry run: nothing to commit, nothing to push to {branch} of {url}")
            }
            Preview { created: true, .. } => format!("dry run: would push to {branch} of {url}, a new branch"),
            Preview { rebased: true, .. } => {
                format!("dry run: would push to {branch} of {url}, on top of what others pushed")
            }
            _ => format!("dry run: would push to {branch} of {url}"),
        });
    }
}
