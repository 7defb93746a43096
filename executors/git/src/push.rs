//! Pushing: on top of what others have pushed, never over it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::Serialize;

use crate::checkout::Checkout;
use crate::failure::GitError;
use crate::offer::{Mode, PushAnswer};
use crate::reference::Branch;

/// How often it is tried if others are always first.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where to push, and how patiently.
#[derive(Clone, Debug)]
pub struct PushOptions {
    pub(crate) branch: Branch,
    tries: u32,
}

/// A push that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// What the branch is at now.
    pub commit: String,
    /// Which branch.
    pub branch: Branch,
    /// Whether it was not there before.
    pub created: bool,
    /// Whether others had pushed first, and our commits were put on top of theirs: they have other ids now.
    pub rebased: bool,
}

impl PushOptions {
    /// To a branch, which is made if it is not there.
    #[must_use]
    pub fn to(branch: Branch) -> Self {
        Self { branch, tries: TRIES }
    }

    /// How often it is tried if others are always first: at least once.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.tries = tries.max(1);
        self
    }
}

impl Checkout<'_> {
    /// Pushes our commits. If others have pushed first, ours are put on top of theirs and it is tried again, a few times;
    /// nothing of theirs is ever lost. None if everything is there already.
    ///
    /// Passes the job's commit point directly before the first change, and not if there is none to make. If the job is
    /// stopped meanwhile, its log says what became of the push.
    ///
    /// # Errors
    /// [`GitError::Conflict`], [`GitError::PushedByOthers`], [`GitError::PushRefused`] and whatever speaking to a host may
    /// bring; then nothing was pushed. If git failed in another way, the branch was looked at: it is not at our commit.
    pub async fn push(&mut self, options: &PushOptions) -> Result<Option<Pushed>, GitError> {
        let branch = &options.branch;
        let pauses =
            ExponentialBuilder::default().with_jitter().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
        let mut pauses = pauses.with_max_times(options.tries.saturating_sub(1) as usize).build();
        let mut rebased = false;
        // First a look: who may not push is told before the commit point.
        let mut answer = self.offer(branch, Mode::DryRun).await?;
        let is_new = answer == PushAnswer::Accepted { created: true };
        loop {
            if answer.is_behind() {
                rebased |= self.catch_up(branch).await?;
            }
            if answer == PushAnswer::UpToDate || (answer.is_behind() && !self.has_commits()) {
                return Ok(None);
            }
            self.repository.job().commit_point().await?;
            answer = self.offer(branch, Mode::Real).await?;
            match &answer {
                PushAnswer::Accepted { created } => return Ok(Some(self.pushed(branch, *created || is_new, rebased))),
                PushAnswer::Behind(said) => match pauses.next() {
                    Some(pause) => self.pause(pause).await?,
                    None => return Err(never_first(options, said, rebased)),
                },
                PushAnswer::UpToDate => {}
            }
        }
    }

    fn pushed(&mut self, branch: &Branch, created: bool, rebased: bool) -> Pushed {
        self.base.clone_from(&self.head);
        self.repository.job().log().system(format!("{branch} of {} is at commit {}", self.remote.url, self.head));
        Pushed { commit: self.head.clone(), branch: branch.clone(), created, rebased }
    }

    pub(crate) fn has_commits(&self) -> bool {
        self.head != self.base
    }

    async fn pause(&self, pause: Duration) -> Result<(), GitError> {
        let job = self.repository.job();
        job.log().system("others pushed at the same moment; trying again on top of theirs");
        let mut stop = job.stop();
        // In time or because of a stop: the next command sees which.
        let _ = tokio::time::timeout(pause, stop.changed_from(None)).await;
        Ok(job.check_stop()?)
    }
}

/// A host that cannot write the branch says the same as one where another was faster.
fn never_first(options: &PushOptions, said: &str, has_moved: bool) -> GitError {
    let branch = options.branch.to_string();
    if has_moved {
        GitError::PushedByOthers { branch, tries: options.tries }
    } else {
        GitError::PushRefused { branch, said: said.to_owned() }
    }
}
