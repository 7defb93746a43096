//! Several applications at once: one deadline for all, and what became of each of them.

use std::time::Duration;

use executor_api::ExecutorError;
use futures_util::future::join_all;

use crate::application::ApplicationName;
use crate::argocd::{ArgoCd, Want};
use crate::failure::{Failure, patiently};
use crate::follow::{Deadline, Ended, Watch};
use crate::report::{self, ApplicationReport};

/// An application that was waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// Its name.
    pub application: String,
    /// How it was last seen; none if it never was.
    pub report: Option<ApplicationReport>,
    /// Why it is not synced and healthy, a line each; empty if it is.
    pub obstacles: Vec<String>,
}

impl Awaited {
    /// It is synced and healthy.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.obstacles.is_empty()
    }
}

impl ArgoCd<'_> {
    /// Waits until all of these are synced and healthy, and nothing is done to them any more, but no longer than `limit`.
    /// What changes meanwhile is in the log. One that does not get there is no error here: each says what is in its way.
    ///
    /// # Errors
    /// If the job is asked to stop, or Argo CD cannot be asked.
    pub async fn wait_for_all<N: AsRef<str>>(
        &self,
        names: &[N],
        limit: Duration,
    ) -> Result<Vec<Awaited>, ExecutorError> {
        let deadline = Deadline::after(limit);
        let names = names.iter().map(|name| self.name(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        join_all(names.iter().map(|name| self.await_one(name, deadline))).await.into_iter().collect()
    }

    async fn await_one(&self, name: &ApplicationName, deadline: Deadline) -> Result<Awaited, ExecutorError> {
        let awaited = |report, obstacles| Awaited { application: name.name.clone(), report, obstacles };
        match patiently(self.job, async || self.api.refresh(name).await).await {
            Ok(()) => {}
            Err(Failure::Missing(_)) => return Ok(awaited(None, vec!["it is not there".to_owned()])),
            Err(failure) => return Err(failure.into()),
        }
        let mut watch = Watch::new(self.job, &*self.api, name, deadline);
        match watch.until(None, |application| Want::SyncedAndHealthy.is_met(application)).await {
            Ok(application) => Ok(awaited(Some(self.report_of(&application)), Vec::new())),
            Err(Ended::Failed(Failure::Missing(_))) => {
                Ok(awaited(None, vec!["somebody took it away meanwhile".to_owned()]))
            }
            Err(Ended::Failed(failure)) => Err(failure.into()),
            Err(Ended::Late(None)) => Ok(awaited(None, vec!["Argo CD gave no answer about it".to_owned()])),
            Err(Ended::Late(Some(application))) => {
                let mut obstacles = vec![format!("it is {}", application.standing())];
                obstacles.extend(report::obstacles(&application));
                obstacles.extend(self.api.complaints(&application).await);
                Ok(awaited(Some(self.report_of(&application)), obstacles))
            }
        }
    }
}
