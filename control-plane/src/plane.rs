//! What the routes of the queue work with.

use wire::{RunnerId, RunnerStatus};

use crate::access::{SecretReaders, User};
use crate::detached::detached;
use crate::directory::{Directory, Runner};
use crate::error::PlaneError;
use crate::gate;
use crate::git_credentials::GitCredentials;
use crate::identities::Identities;
use crate::oidc::Issuer;
use crate::queue::{Held, Queue};
use crate::wake::Wake;

/// Queue, directory, waiters, and who jobs are elsewhere. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) queue: Queue,
    pub(crate) directory: Directory,
    pub(crate) wake: Wake,
    pub(crate) identities: Identities,
    pub(crate) git_credentials: GitCredentials,
    pub(crate) secret_readers: SecretReaders,
    /// None where nobody could ask it: the plane has no public address.
    pub(crate) oidc: Option<Issuer>,
    /// Under which the world knows the plane: scheme, host and port.
    pub(crate) public_url: Option<String>,
}

impl Plane {
    /// Changes what was said of a runner, and tells it, even if whoever asked goes away.
    pub(crate) async fn change_runner<Changing>(
        &self,
        id: &RunnerId,
        change: impl FnOnce(Directory, RunnerId) -> Changing,
    ) -> Result<Runner, PlaneError>
    where
        Changing: Future<Output = Result<Runner, PlaneError>> + Send + 'static,
    {
        let (wake, id, change) = (self.wake.clone(), id.clone(), change(self.directory.clone(), id.clone()));
        detached(async move {
            let runner = change.await?;
            wake.runner_has_orders(&id);
            Ok(runner)
        })
        .await
    }

    /// A runner as the contract shows it to a person who may not look after it: what is others' is left out.
    pub(crate) fn shown_to(&self, user: &User, runner: &Runner, held: &[Held]) -> wire::RunnerInfo {
        let held = Held::by(&runner.id, held);
        if gate::manages(user, runner) {
            return self.info(runner, held);
        }
        let theirs = held.filter(|held| held.org.as_ref() == Some(&user.org));
        let public = Runner { metadata: None, deploy_config: None, ..runner.clone() };
        self.info(&public, theirs)
    }

    /// A runner as the contract shows it to itself, and to who looks after it.
    pub(crate) async fn shown(&self, runner: &Runner) -> Result<wire::RunnerInfo, PlaneError> {
        Ok(self.info(runner, &self.queue.held_by(&runner.id).await?))
    }

    fn info<'h>(&self, runner: &Runner, held: impl IntoIterator<Item = &'h Held>) -> wire::RunnerInfo {
        let status: RunnerStatus = runner.status(wire::Timestamp::now(), self.queue.timings().online);
        runner.info(status, held.into_iter().map(|held| held.id.clone()).collect())
    }
}
