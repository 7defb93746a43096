//! What the routes of the queue work with.

use wire::RunnerStatus;

use crate::access::SecretReaders;
use crate::directory::{Directory, Runner};
use crate::error::PlaneError;
use crate::git_credentials::GitCredentials;
use crate::identities::Identities;
use crate::oidc::Issuer;
use crate::queue::Queue;
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
    /// A runner as the contract shows it.
    pub(crate) async fn shown(&self, runner: &Runner) -> Result<wire::RunnerInfo, PlaneError> {
        let status: RunnerStatus = runner.status(wire::Timestamp::now(), self.queue.timings().online);
        let jobs = self.queue.held_by(&runner.id).await?;
        Ok(runner.info(status, jobs.into_iter().map(|row| row.job.id).collect()))
    }
}
