//! After a step that did not succeed: how the release is now. It is never left pending by us.

use executor_api::{ExecutorError, StopReason};
use serde_json::{Map, Value, json};

use crate::change::Change;
use crate::helm::{Helm, When};
use crate::output::{Listed, Status};
use crate::release::Release;

/// What a step that did not succeed has done.
pub(crate) enum Settled {
    /// Nothing.
    Untouched,
    /// Something, or nobody knows. The text says what.
    Touched(String),
}

impl Helm<'_> {
    /// Looks how the release is after a step that failed or was cut off, and brings it into a known state.
    pub(crate) async fn settle(&self, change: &Change<'_>) -> Settled {
        let release = change.release;
        if self.job.stop().requested().is_some_and(|stop| stop.reason == StopReason::LeaseLost) {
            // Another attempt may work on it already; it knows our mark.
            return self.said(format!("release {release} is left to the attempt that holds the job now"));
        }
        let now = match self.state(When::Settling, release).await {
            Ok(now) => now,
            Err(error) => return self.not_known(release, &error),
        };
        if now == change.before {
            self.job.log().system(format!("release {release} is as it was: {}", words(now.as_ref())));
            return Settled::Untouched;
        }
        match now {
            Some(now) if now.status.is_pending() => self.settle_pending(change, &now).await,
            Some(now) if now.status == Status::Uninstalling => {
                self.settled(release, Some(&now), "; the action uninstall goes on with it").await
            }
            now => self.settled(release, now.as_ref(), "").await,
        }
    }

    async fn settle_pending(&self, change: &Change<'_>, pending: &Listed) -> Settled {
        let release = change.release;
        let of_rollback = change.rolls_back && pending.status == Status::PendingRollback;
        let is_own = match self.is_own(When::Settling, release, pending.revision).await {
            Ok(is_own) => is_own || of_rollback,
            Err(error) => return self.not_known(release, &error),
        };
        if !is_own {
            return self.settled(release, Some(pending), "; somebody else works on it").await;
        }
        if !change.mends {
            return self.settled(release, Some(pending), "; `recover_pending` is false, so it is left so").await;
        }
        let Listed { status, revision, .. } = pending;
        self.job.log().system(format!("release {release} was left {status} at revision {revision}"));
        let mended = self.mend(release, pending).await;
        match (mended, self.state(When::Settling, release).await) {
            (Ok(()), Ok(now)) => self.settled(release, now.as_ref(), "").await,
            (Err(error), _) | (_, Err(error)) => self.not_known(release, &error),
        }
    }

    async fn settled(&self, release: &Release, now: Option<&Listed>, more: &str) -> Settled {
        let facts = json!({ "release": release.name(), "namespace": release.namespace(),
                            "revision": now.map(|now| now.revision),
                            "status": now.map_or(Status::Absent, |now| now.status) });
        let facts: Map<String, Value> = facts.as_object().cloned().unwrap_or_default();
        if let Err(error) = self.job.progress(facts).await {
            self.job.log().system(format!("cannot publish how the release is: {error}"));
        }
        let unready = match now.filter(|now| now.status == Status::Failed) {
            Some(_) => self.unready(release).await,
            None => String::new(),
        };
        self.said(format!("release {release} is now {}{more}{unready}", words(now)))
    }

    /// What is not ready, if that can be had.
    async fn unready(&self, release: &Release) -> String {
        let Ok(report) = self.report(When::Settling, release, None).await else { return String::new() };
        let unready = report.resources.iter().filter(|resource| !resource.ready);
        let lines: Vec<_> =
            unready.map(|one| format!("\nnot ready: {} {}: {}", one.kind, one.name, one.message)).collect();
        lines.concat()
    }

    fn not_known(&self, release: &Release, error: &ExecutorError) -> Settled {
        self.said(format!("it is not known how release {release} is now; the action status says it: {error}"))
    }

    fn said(&self, text: String) -> Settled {
        self.job.log().system(&text);
        Settled::Touched(text)
    }
}

fn words(now: Option<&Listed>) -> String {
    now.map_or_else(|| "absent".to_owned(), |now| format!("{} at revision {}", now.status, now.revision))
}
