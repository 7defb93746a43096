//! New jobs, lists of jobs, and the end that a person asks for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wire::{Job, JobId, JobList, JobStatus, KindInfo, LossPolicy, Phase, Reason, RunnerMode, SubmitRequest, Timestamp};

use super::runner_work::Asked;
use super::transitions::Event;
use super::{Offer, Queue, Row};
use crate::access::User;
use crate::detached::detached;
use crate::error::PlaneError;

/// A document is no key.
const LONGEST_KEY: usize = 4096;

/// What a list of jobs shows.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only these.
    pub status: Option<JobStatus>,
    /// Only this kind.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// After so many.
    pub offset: u64,
}

impl Queue {
    /// Takes a new job.
    ///
    /// # Errors
    /// [`PlaneError::Invalid`] with the place of what is wrong.
    pub async fn submit(&self, user: &User, mut request: SubmitRequest) -> Result<Job, PlaneError> {
        let (kind, on_runner) = self.check(user, &mut request).await?;
        if request.concurrency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            return Err(PlaneError::invalid("/concurrency_key", format!("a key has 1 to {LONGEST_KEY} bytes")));
        }
        if request.timeout_s == Some(0) {
            return Err(PlaneError::invalid("/timeout_s", "a timeout is at least 1 second"));
        }
        let now = Timestamp::now();
        let job = new_job(user, request, now);
        self.enqueue_on(on_runner, job, &kind).await
    }

    /// The same work again, as a new job, under the rules for new jobs. Whoever asks may use the old one's secrets.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] while the old one has not ended, [`PlaneError::Invalid`] if it would not be taken today.
    pub async fn retry(&self, user: &User, old: &Row) -> Result<Job, PlaneError> {
        if !old.job.status.is_terminal() {
            let error = format!("job {} is {}; cancel it, or wait for its end", old.job.id, old.job.status);
            return Err(PlaneError::Conflict(error));
        }
        let (mut old, sealed) = (old.job.clone(), old.sealed.clone());
        if let Some(sealed) = sealed {
            self.0.vault.reveal(&mut old, &sealed)?;
        }
        let mut request = SubmitRequest {
            job_type: old.job_type,
            config_snapshot: old.config_snapshot,
            plan_job_id: old.plan_job_id,
            assigned_runner_id: old.assigned_runner_id,
            cloud_identity_id: old.cloud_identity_id,
            concurrency_key: old.concurrency_key,
            labels: old.labels,
            timeout_s: old.timeout_s,
        };
        let mut metadata = json!({ "retry_of": old.id });
        // As of the jobs that waited for it when it was removed, nobody else could ever take this one.
        if let Some(gone) = request.assigned_runner_id.take_if(|runner| self.0.directory.runner(runner).is_none()) {
            metadata["unassigned_from"] = gone.as_str().into();
        }
        let (kind, on_runner) = self.check(user, &mut request).await?;
        let mut job = new_job(user, request, Timestamp::now());
        job.execution_metadata = Some(metadata);
        self.enqueue_on(on_runner, job, &kind).await
    }

    /// The rules for new jobs, whoever wrote them down first; adds what the plane knows.
    async fn check(&self, user: &User, request: &mut SubmitRequest) -> Result<(KindInfo, Option<Asked>), PlaneError> {
        let kind = self.kind(&user.org, &request.job_type)?;
        let on_runner = self.work_on_runner(user, request)?;
        self.0.schemas.check(&kind, &request.config_snapshot)?;
        self.check_references(user, &kind, request).await?;
        Ok((kind, on_runner))
    }

    /// Keeps a job. If a claim waits for it, one commit does for both.
    pub(super) async fn enqueue(&self, mut job: Job, kind: &KindInfo) -> Result<Job, PlaneError> {
        let queue = self.clone();
        let published = self.0.directory.published_kinds(job.org_id.as_deref().unwrap_or_default());
        let schemas = std::iter::once(&kind.schema).chain(self.schemas(&published, &kind.kind));
        let sealed = self.0.vault.hide(&mut job, schemas)?;
        if job.concurrency_key.is_none() {
            // Of the payload as it is shown: a key is no place for a secret.
            job.concurrency_key = kind.exclusive.as_ref().and_then(|exclusive| exclusive.key(&job.config_snapshot));
        }
        let reserved = self.0.wake.reserve(&Offer::of(&job));
        let row = Row { sealed, ..Row::new(job, kind.loss) };
        let take = reserved.as_ref().map(|reserved| self.request(reserved.claimant(), reserved.request_id()));
        detached(async move {
            let row = queue.0.store.insert(row, take).await?;
            queue.announce(&row);
            let job = row.job.clone();
            if let Some(reserved) = reserved.filter(|_| job.status == JobStatus::Claimed) {
                reserved.deliver(row);
            }
            Ok(job)
        })
        .await
    }

    /// A kind, as this program links it or as a runner has published it.
    pub(crate) fn kind(&self, org: &str, name: &str) -> Result<KindInfo, PlaneError> {
        let published = self.0.directory.published_kinds(org);
        if let Some(kind) = self.known(&published).find(|kind| kind.kind == name) {
            return Ok(kind.clone());
        }
        let known: BTreeSet<_> = self.known(&published).map(|kind| kind.kind.as_str()).collect();
        let remedy = if known.is_empty() {
            "no kind is known yet: start a runner, it brings its kinds".to_owned()
        } else {
            let known = Vec::from_iter(known).join(", ");
            format!("known are: {known}; a runner that links another makes it known when it connects")
        };
        Err(PlaneError::invalid("/job_type", format!("unknown kind {name:?}; {remedy}")))
    }

    /// All kinds that are known to an organisation, by name.
    #[must_use]
    pub fn kinds(&self, org: &str) -> Vec<KindInfo> {
        let published = self.0.directory.published_kinds(org);
        let mut kinds: BTreeMap<&str, &KindInfo> = BTreeMap::new();
        for kind in self.known(&published) {
            kinds.entry(&kind.kind).or_insert(kind);
        }
        kinds.into_values().cloned().collect()
    }

    /// The first of a name counts: what a runner links decides how it reads a payload; our own copy is for the time before
    /// any runner.
    fn known<'k>(&'k self, published: &'k [Arc<[KindInfo]>]) -> impl Iterator<Item = &'k KindInfo> {
        published.iter().flat_map(|kinds| kinds.iter()).chain(&self.0.linked)
    }

    /// All that is said of a kind's payload. Runners of one version say it together.
    fn schemas<'k>(&'k self, published: &'k [Arc<[KindInfo]>], name: &'k str) -> impl Iterator<Item = &'k Value> {
        let mut seen = HashSet::new();
        let schemas = self.known(published).filter(move |kind| kind.kind == name).map(|kind| &kind.schema);
        schemas.filter(move |schema| seen.insert(std::ptr::from_ref(*schema)))
    }

    async fn check_references(
        &self,
        user: &User,
        kind: &KindInfo,
        request: &mut SubmitRequest,
    ) -> Result<(), PlaneError> {
        if let Some(plan) = &request.plan_job_id {
            let refused = |why: String| Err(PlaneError::invalid("/plan_job_id", why));
            let Some(row) = self.0.store.find(plan).await?.filter(|row| row.org() == user.org) else {
                return refused(format!("there is no job {plan}; name a job that made a plan"));
            };
            if row.job.status != JobStatus::Success {
                return refused(format!(
                    "job {plan} is {}; only a plan that ended with SUCCESS can be applied",
                    row.job.status
                ));
            }
            // A kind that only reads may look at a plan as often as it likes.
            if let Some(used_by) = row.plan_used_by.filter(|_| kind.loss != LossPolicy::Requeue) {
                return refused(format!("the plan of job {plan} was applied by job {used_by}; plan again"));
            }
            request.concurrency_key = request.concurrency_key.take().or(row.job.concurrency_key);
            // Who made the plan saw what it saw; another identity may see another world.
            let planned_as = row.job.cloud_identity_id;
            if request.cloud_identity_id.is_none() {
                request.cloud_identity_id = planned_as;
            } else if request.cloud_identity_id != planned_as {
                let error = format!("job {plan} made its plan under another identity; leave this out, or plan again");
                return Err(PlaneError::invalid("/cloud_identity_id", error));
            }
        }
        if let Some(identity) = &request.cloud_identity_id {
            let refused = |why: &str| PlaneError::invalid("/cloud_identity_id", why.to_owned());
            let found = self.0.identities.get(&user.org, identity).await;
            let found = found.map_err(|error| match error {
                PlaneError::NotFound(_) => {
                    refused("there is no such cloud identity; `GET /api/cloud-identities` lists yours")
                }
                other => other,
            })?;
            if found.identity.is_none() {
                return Err(refused("this cloud identity is not connected; connect it first"));
            }
        }
        if let Some(runner) = &request.assigned_runner_id {
            let known = self.0.directory.runner(runner);
            if !known.is_some_and(|runner| runner.org == user.org || runner.mode == RunnerMode::CloudHosted) {
                return Err(PlaneError::invalid("/assigned_runner_id", format!("there is no runner {runner}")));
            }
        }
        Ok(())
    }

    /// An organisation's jobs, newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn list(&self, org: &str, filter: ListFilter) -> Result<JobList, PlaneError> {
        self.0.store.list(org, &filter).await
    }

    /// A person wants a job's end. What waits ends at once; what runs is told to its runner.
    ///
    /// # Errors
    /// [`PlaneError::Conflict`] if it has ended.
    pub async fn cancel(&self, id: &JobId, force: bool) -> Result<Job, PlaneError> {
        let (row, ()) = self
            .change(id, move |row, _| {
                row.apply(Event::Cancel)?;
                row.job.cancel_requested = true;
                row.cancel_force |= force;
                if row.job.status == JobStatus::Cancelled {
                    row.job.reason = Some(Reason::CancelledByUser.as_str().to_owned());
                    row.job.error_message = Some("cancelled by a user while it waited for a runner".to_owned());
                    row.leave_runner(Timestamp::now());
                }
                Ok(())
            })
            .await?;
        Ok(row.job)
    }
}

fn new_job(user: &User, request: SubmitRequest, now: Timestamp) -> Job {
    Job {
        id: JobId::generate(),
        job_type: request.job_type,
        config_snapshot: request.config_snapshot,
        status: JobStatus::Queued,
        attempt: 0,
        phase: Phase::Preparing,
        reason: None,
        org_id: Some(user.org.clone()),
        user_id: Some(user.id.clone()),
        runner_id: None,
        assigned_runner_id: request.assigned_runner_id,
        plan_job_id: request.plan_job_id,
        cloud_identity_id: request.cloud_identity_id,
        configuration_hash: None,
        concurrency_key: request.concurrency_key,
        labels: request.labels,
        timeout_s: request.timeout_s,
        error_message: None,
        execution_metadata: None,
        log_complete: None,
        log_length: 0,
        cancel_requested: false,
        created_at: Some(now),
        claimed_at: None,
        started_at: None,
        completed_at: None,
        updated_at: Some(now),
    }
}
