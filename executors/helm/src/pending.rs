//! Releases that an operation left pending: whose they are, and how they are mended.
//!
//! Helm refuses to upgrade a pending release for ever, and does not say who made it so. Each revision that an upgrade
//! of ours makes carries three labels: the job, the attempt and the revision itself. The last is what proves it: labels are
//! handed on from revision to revision, so one that somebody else makes on top of ours carries our labels with an older
//! number. A rollback takes no labels but those of the revision that it goes back to: whose it is, is not known.

use std::time::Duration;

use executor_api::{ExecutorError, Job, JobId};
use sha2::{Digest, Sha256};

use crate::helm::{Helm, When, names, seconds};
use crate::output::{Listed, Revision, Status};
use crate::release::Release;

const JOB: &str = "alethia-job";
const ATTEMPT: &str = "alethia-attempt";
const REVISION: &str = "alethia-revision";

/// How long helm waits for a hook or for the end of an object while it mends.
const MEND_TIMEOUT: Duration = Duration::from_secs(90);
/// When we give up on it.
const MEND_LIMIT: Duration = Duration::from_secs(120);

/// The arguments that mark a revision as made by this attempt.
pub(crate) fn marks(job: &Job, revision: u32) -> Vec<String> {
    let (id, attempt) = (&job.id, job.attempt_no().0);
    let label = label(id);
    vec![
        format!("--description=job {id}, attempt {attempt}"),
        format!("--labels={JOB}={label},{ATTEMPT}={attempt},{REVISION}={revision}"),
    ]
}

/// The job as a label. Kubernetes is stricter about them than planes are about ids.
fn label(id: &JobId) -> String {
    let at_the_ends = |c: char| c.is_ascii_alphanumeric();
    let text = id.as_str();
    if text.len() <= 63 && text.starts_with(at_the_ends) && text.ends_with(at_the_ends) {
        text.to_owned()
    } else {
        hex::encode(&Sha256::digest(text)[..16])
    }
}

/// Selects a revision of this job's earlier attempts, or of the job that it retries: the plane started this one because
/// those are over.
fn own(job: &Job, revision: u32) -> String {
    let retried = job.execution_metadata.as_ref().and_then(|metadata| metadata["retry_of"].as_str()?.parse().ok());
    let jobs: Vec<_> = std::iter::once(&job.id).chain(&retried).map(label).collect();
    format!("{REVISION}={revision},{JOB} in ({})", jobs.join(","))
}

/// The newest revision before `before` that runs or ran.
pub(crate) fn last_deployed(history: &[Revision], before: u32) -> Option<u32> {
    let good = history.iter().filter(|one| one.revision < before && one.status.was_deployed());
    good.map(|one| one.revision).max()
}

impl Helm<'_> {
    /// The last revision of a release, if it has any.
    pub(crate) async fn state(&self, when: When, release: &Release) -> Result<Option<Listed>, ExecutorError> {
        self.list(when, release, None).await
    }

    async fn list(
        &self,
        when: When,
        release: &Release,
        selector: Option<String>,
    ) -> Result<Option<Listed>, ExecutorError> {
        let filter = format!("--filter=^{}$", release.name().replace('.', "\\."));
        let command = self.command(&["list", "--all", "--output=json"], release).arg(filter);
        let command = command.args(selector.map(|selector| format!("--selector={selector}")));
        let listed: Vec<Listed> = self.read(when, "list", command).await?;
        Ok(listed.into_iter().find(|one| one.name == release.name()))
    }

    pub(crate) async fn history(&self, when: When, release: &Release) -> Result<Vec<Revision>, ExecutorError> {
        let command = names(self.command(&["history", "--output=json"], release), [release.name()]);
        self.read(when, "history", command).await
    }

    /// Whether that revision is one of ours.
    pub(crate) async fn is_own(&self, when: When, release: &Release, revision: u32) -> Result<bool, ExecutorError> {
        let listed = self.list(when, release, Some(own(self.job.job(), revision))).await?;
        Ok(listed.is_some_and(|last| last.revision == revision))
    }

    /// Mends a release that is pending by our own doing; refuses any other. How it is then.
    pub(crate) async fn recover(
        &self,
        release: &Release,
        pending: &Listed,
        is_wanted: bool,
    ) -> Result<Option<Listed>, ExecutorError> {
        if !is_wanted || !self.is_own(When::Working, release, pending.revision).await? {
            return Err(self.refusal(release, pending).await?);
        }
        self.job.commit_point().await?;
        let Listed { status, revision, .. } = pending;
        self.job.log().system(format!("an earlier attempt left release {release} {status} at revision {revision}"));
        self.mend(release, pending).await?;
        match self.state(When::Working, release).await? {
            Some(still) if still.status.is_pending() => {
                let who = "and mending it failed, as the log says";
                Err(ExecutorError::Other(self.pending_text(release, &still, who).await?))
            }
            now => Ok(now),
        }
    }

    /// Back to the last revision that was deployed; away, if none ever was.
    pub(crate) async fn mend(&self, release: &Release, pending: &Listed) -> Result<(), ExecutorError> {
        let history = self.history(When::Settling, release).await?;
        let Some(revision) = last_deployed(&history, pending.revision) else {
            self.job.log().system(format!("no revision of release {release} was ever deployed; uninstalling it"));
            let command = names(self.uninstall_command(release, MEND_TIMEOUT, true), [release.name()]);
            return self.job.clean_up(command, MEND_LIMIT).await.map(drop);
        };
        self.job.log().system(format!("rolling release {release} back to revision {revision}"));
        let revision = revision.to_string();
        for hooks in [None, Some("--no-hooks")] {
            let command = self.command(&["rollback"], release).arg(seconds(MEND_TIMEOUT)).args(hooks);
            let command = names(command, [release.name(), &revision]);
            if self.job.clean_up(command, MEND_LIMIT).await?.exit.is_success() {
                break;
            }
            // A hook that fails leaves the rollback itself pending.
        }
        Ok(())
    }

    /// Says who works on a release, or left it so, and what can be done.
    pub(crate) async fn refusal(&self, release: &Release, pending: &Listed) -> Result<ExecutorError, ExecutorError> {
        let Listed { status, revision, .. } = pending;
        let of_ours = self.list(When::Working, release, Some(format!("{REVISION}={revision}"))).await?;
        let who = if *status == Status::PendingRollback {
            "by whom is not known, since a rollback carries no mark".to_owned()
        } else if of_ours.is_some() {
            let secret = format!("sh.helm.release.v1.{}.v{revision}", release.name());
            format!("by another job, which the label {JOB} of secret {secret} names")
        } else {
            "not by a job of this system".to_owned()
        };
        Ok(ExecutorError::invalid("/release", self.pending_text(release, pending, &who).await?))
    }

    async fn pending_text(&self, release: &Release, pending: &Listed, who: &str) -> Result<String, ExecutorError> {
        let Listed { status, revision, updated, .. } = pending;
        let history = self.history(When::Working, release).await?;
        let remedy = match last_deployed(&history, *revision) {
            Some(good) => format!("roll it back with the action rollback and revision {good}"),
            None => "take it away with the action uninstall".to_owned(),
        };
        Ok(format!(
            "release {release} is {status} since {updated} (revision {revision}), {who}; wait for its end, or if nobody \
             works on it any more for certain, {remedy}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job(id: &str, metadata: &Value) -> Job {
        let job = json!({ "id": id, "job_type": "helm", "status": "CLAIMED", "attempt": 2,
                          "execution_metadata": metadata });
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn a_mark_names_job_attempt_and_revision() {
        let marks = marks(&job("0192-a", &Value::Null), 7);
        assert_eq!(marks[0], "--description=job 0192-a, attempt 2");
        assert_eq!(marks[1], "--labels=alethia-job=0192-a,alethia-attempt=2,alethia-revision=7");
        for id in ["-x", "x_", &"a".repeat(64)] {
            let marks = super::marks(&job(id, &Value::Null), 7);
            let label = marks[1].strip_prefix("--labels=alethia-job=").unwrap().split(',').next().unwrap();
            assert!(label.len() == 32 && label.bytes().all(|b| b.is_ascii_hexdigit()), "{id}: {label}");
        }
    }

    #[test]
    fn own_are_this_job_and_the_one_it_retries() {
        assert_eq!(own(&job("b", &Value::Null), 3), "alethia-revision=3,alethia-job in (b)");
        let retry = job("b", &json!({ "retry_of": "a" }));
        assert_eq!(own(&retry, 3), "alethia-revision=3,alethia-job in (b,a)");
        let hostile = job("b", &json!({ "retry_of": "a),x notin (c" }));
        assert_eq!(own(&hostile, 3), "alethia-revision=3,alethia-job in (b)");
    }

    #[test]
    fn the_way_back_leads_to_what_ran() {
        let one = |revision, status| Revision { revision, status };
        let history = [
            one(1, Status::Superseded),
            one(2, Status::Deployed),
            one(3, Status::Failed),
            one(4, Status::PendingUpgrade),
        ];
        assert_eq!(last_deployed(&history, 4), Some(2));
        assert_eq!(last_deployed(&history, 2), Some(1));
        assert_eq!(last_deployed(&history, 1), None);
        assert_eq!(last_deployed(&history[2..], 4), None);
    }
}
