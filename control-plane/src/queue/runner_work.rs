//! Jobs that deploy, change and take away runners: who may have them, what the plane adds to them, and what their ends
//! mean for the runner's registration.

use serde_json::{Map, Value};
use wire::{
    DEPLOY_CONFIG, Job, JobStatus, KindInfo, RUNNER_TOKEN_POINTERS, RunnerId, RunnerWork, SubmitRequest, named_runner,
};

use super::{Offer, Queue, Row};
use crate::access::User;
use crate::detached::detached;
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::gate;
use crate::tokens;

/// What the end of a job means for the runner that it worked on.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It was deployed like this, as far as the job came: whoever takes it away must know.
    Deployed(RunnerId, Value),
    /// It is gone.
    Gone(RunnerId),
    /// It was to be taken away and is not: it takes jobs again.
    Stays(RunnerId),
}

/// Decides. Pure. Only the change that ends a job means something: what is said of it later is old by then.
#[must_use]
pub fn effect(before: JobStatus, row: &Row) -> Option<Effect> {
    let work = RunnerWork::of(&row.job.job_type).filter(|_| !before.is_terminal() && row.job.status.is_terminal())?;
    let runner = runner_of(row)?;
    match work {
        RunnerWork::Destroy if row.job.status == JobStatus::Success => Some(Effect::Gone(runner)),
        RunnerWork::Destroy => Some(Effect::Stays(runner)),
        RunnerWork::Deploy | RunnerWork::Update => {
            let config = row.job.execution_metadata.as_ref()?.get(DEPLOY_CONFIG)?.as_object()?;
            Some(Effect::Deployed(runner, Value::Object(wire::remembered(config))))
        }
    }
}

fn runner_of(row: &Row) -> Option<RunnerId> {
    named_runner(&row.job.config_snapshot)?.1.as_str()?.parse().ok()
}

/// Whether a job works on this runner, which therefore cannot do it: it would not be there to say how that went.
#[must_use]
pub fn works_on(offer: &Offer, runner: &RunnerId) -> bool {
    RunnerWork::of(&offer.kind).is_some() && offer.concurrency_key == Some(wire::runner_key(runner))
}

/// The runner that a job takes away.
#[must_use]
pub fn destroyed(row: &Row) -> Option<RunnerId> {
    let destroys = RunnerWork::of(&row.job.job_type) == Some(RunnerWork::Destroy);
    if destroys { runner_of(row) } else { None }
}

/// A job on a runner that is about to be taken.
pub(super) struct Asked {
    work: RunnerWork,
    runner: Runner,
}

impl Queue {
    /// Checks who asks, and adds what the plane knows of the runner. None for any other kind.
    pub(super) fn work_on_runner(&self, user: &User, request: &mut SubmitRequest) -> Result<Option<Asked>, PlaneError> {
        let Some(work) = RunnerWork::of(&request.job_type) else { return Ok(None) };
        let runner = self.named(user, &request.config_snapshot)?;
        check_token(&runner, &request.config_snapshot)?;
        match work {
            RunnerWork::Deploy => request.config_snapshot.as_object_mut().map_or(Ok(()), |all| self.add_image(all))?,
            RunnerWork::Update | RunnerWork::Destroy => add_what_is_known(&runner, request)?,
        }
        // Not the caller's to choose: jobs of both spellings must not run at once.
        request.concurrency_key = Some(wire::runner_key(&runner.id));
        Ok(Some(Asked { work, runner }))
    }

    /// Gives a payload that names no image the plane's. A tag that it names stays: it is one of the same image.
    pub(crate) fn add_image(&self, payload: &mut Map<String, Value>) -> Result<(), PlaneError> {
        let says = |name: &str| payload.get(name).is_some_and(|value| !value.is_null());
        if says("image_repository") {
            return Ok(());
        }
        let says_tag = says("image_tag");
        let Some(image) = &self.0.runner_image else {
            let error =
                "is missing; name the runner's image, without tag, or start the control plane with --runner-image";
            return Err(PlaneError::invalid("/config_snapshot/image_repository", error));
        };
        payload.insert("image_repository".to_owned(), image.repository.clone().into());
        if !says_tag {
            payload.insert("image_tag".to_owned(), image.tag.clone().into());
        }
        Ok(())
    }

    fn named(&self, user: &User, payload: &Value) -> Result<Runner, PlaneError> {
        let Some((pointer, named)) = named_runner(payload) else {
            return Err(PlaneError::invalid("/config_snapshot/runner_id", "is missing; name the runner"));
        };
        let at = format!("/config_snapshot{pointer}");
        let known = named.as_str().and_then(|id| self.0.directory.runner(&id.parse().ok()?));
        // Its state is its organisation's.
        let known = known.filter(|runner| gate::manages(user, runner) && runner.org == user.org);
        known.ok_or_else(|| PlaneError::invalid(&at, "there is no such runner; `GET /api/runners` lists yours"))
    }

    /// Keeps a job. From the last check until then nobody else begins work on its runner; to the end, even if whoever asked
    /// goes away: a runner that seems to leave is given nothing.
    pub(super) async fn enqueue_on(
        &self,
        on_runner: Option<Asked>,
        job: Job,
        kind: &KindInfo,
    ) -> Result<Job, PlaneError> {
        let Some(asked) = on_runner else { return self.enqueue(job, kind).await };
        let (queue, kind) = (self.clone(), kind.clone());
        detached(async move { queue.enqueue_alone_on(asked, job, &kind).await }).await
    }

    async fn enqueue_alone_on(
        &self,
        Asked { work, runner }: Asked,
        job: Job,
        kind: &KindInfo,
    ) -> Result<Job, PlaneError> {
        let _alone = self.0.runner_work.lock().await;
        let others = self.0.store.all_on(&runner.org, &wire::runner_key(&runner.id)).await?;
        if let Some(other) = others.iter().find(|row| destroyed(row).is_some()) {
            let error = format!("job {} takes runner {:?} away already", other.job.id, runner.name);
            return Err(PlaneError::Conflict(error));
        }
        if work != RunnerWork::Destroy {
            return self.enqueue(job, kind).await;
        }
        self.0.directory.leaves(&runner.id, true);
        // A claim that waits already hears that it is given no job.
        self.0.wake.runner_has_orders(&runner.id);
        let kept = self.enqueue(job, kind).await;
        if kept.is_err() {
            self.0.directory.leaves(&runner.id, false);
        }
        match kept {
            Err(PlaneError::Conflict(busy)) => Err(self.let_finish(&runner.id, &busy).await),
            kept => kept,
        }
    }

    /// A runner that is busy is told to finish.
    async fn let_finish(&self, runner: &RunnerId, busy: &str) -> PlaneError {
        if let Err(error) = self.0.directory.update(runner, |runner| runner.drain = true).await {
            return error;
        }
        self.0.wake.runner_has_orders(runner);
        PlaneError::Conflict(format!("{busy}; it drains now: when that job has ended, destroy the runner"))
    }

    /// Runners that are taken away when the plane starts go on taking no jobs.
    pub(crate) async fn remember_who_leaves(&self) -> Result<(), PlaneError> {
        for runner in self.0.directory.all_runners() {
            let on_it = self.0.store.all_on(&runner.org, &wire::runner_key(&runner.id)).await?;
            self.0.directory.leaves(&runner.id, on_it.iter().any(|row| destroyed(row).is_some()));
        }
        Ok(())
    }

    /// What the database did with the end of a job, in memory.
    pub(super) async fn follow_effect(&self, effect: Option<Effect>) {
        match effect {
            Some(Effect::Deployed(runner, config)) => self.0.directory.deployed(&runner, config),
            Some(Effect::Gone(runner)) => {
                self.0.directory.forget(&runner);
                self.runner_is_gone(&runner).await;
            }
            Some(Effect::Stays(runner)) => {
                self.0.directory.leaves(&runner, false);
                self.0.wake.runner_has_orders(&runner);
            }
            None => {}
        }
    }

    /// Its claims and streams end, and what waited for it alone may be taken by others.
    pub(crate) async fn runner_is_gone(&self, runner: &RunnerId) {
        self.0.wake.runner_has_orders(runner);
        match self.0.store.freed(runner).await {
            Ok(freed) => freed.into_iter().for_each(|offer| self.0.wake.job_waits(offer)),
            // It costs those jobs the time until a claim looks again by itself.
            Err(error) => tracing::error!(%error, "cannot look for what waited for a runner that is gone"),
        }
    }
}

/// A runner that is given another's token, or an old one, could never work.
fn check_token(runner: &Runner, payload: &Value) -> Result<(), PlaneError> {
    for pointer in RUNNER_TOKEN_POINTERS {
        let Some(token) = payload.pointer(pointer).and_then(Value::as_str) else { continue };
        if !tokens::matches(token, &runner.token_hash) {
            let error = "is not the runner's token; `POST /api/runners/{id}/rotate-token` gives a new one";
            return Err(PlaneError::invalid(&format!("/config_snapshot{pointer}"), error));
        }
    }
    Ok(())
}

fn add_what_is_known(runner: &Runner, request: &mut SubmitRequest) -> Result<(), PlaneError> {
    let none = Map::new();
    let known = runner.deploy_config.as_ref().and_then(Value::as_object).unwrap_or(&none);
    let Some(payload) = request.config_snapshot.as_object_mut() else { return Ok(()) };
    for (name, value) in known {
        let said = payload.entry(name).or_insert(Value::Null);
        if said.is_null() {
            *said = value.clone();
        }
    }
    if payload.get("region").is_none_or(Value::is_null) {
        let error = format!(
            "nobody knows where this runner was deployed: no job of this plane did it; one that was started by hand is \
             forgotten by `alethia runner remove {}` (`DELETE /api/runners/{}`), for another give region, and what else \
             differs from the defaults",
            runner.name, runner.id
        );
        return Err(PlaneError::invalid("/config_snapshot/region", error));
    }
    let identity = known.get("cloud_identity_id").and_then(Value::as_str).map(str::to_owned);
    request.cloud_identity_id =
        request.cloud_identity_id.take().or(identity).or_else(|| runner.cloud_identity_id.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ended(kind: &str, status: JobStatus, payload: &Value, metadata: &Value) -> Option<Effect> {
        let job = json!({ "id": "j", "job_type": kind, "status": status, "config_snapshot": payload,
                          "execution_metadata": metadata });
        let row = Row::new(serde_json::from_value(job).unwrap(), wire::LossPolicy::RequeueBeforeCommit);
        assert_eq!(effect(JobStatus::Failed, &row), None, "it had ended already");
        effect(JobStatus::Processing, &row)
    }

    #[test]
    fn a_runner_is_gone_only_when_its_destruction_has_succeeded() {
        let gone = Some(Effect::Gone("r".parse().unwrap()));
        let stays = Some(Effect::Stays("r".parse().unwrap()));
        for (kind, payload) in
            [("DESTROY_RUNNER", json!({ "runner_id": "r" })), ("DESTROY_WORKER", json!({ "worker_id": "r" }))]
        {
            assert_eq!(ended(kind, JobStatus::Success, &payload, &json!({})), gone);
            for status in [JobStatus::Failed, JobStatus::Cancelled] {
                assert_eq!(ended(kind, status, &payload, &json!({})), stays);
            }
            for status in [JobStatus::Processing, JobStatus::Queued] {
                assert_eq!(ended(kind, status, &payload, &json!({})), None);
            }
        }
        assert_eq!(ended("DESTROY", JobStatus::Success, &json!({ "runner_id": "r" }), &json!({})), None);
    }

    #[test]
    fn how_it_was_deployed_is_remembered_also_of_a_job_that_failed_halfway() {
        let metadata = json!({ "deploy_config": { "region": "eu-north-1", "runner_token": "t" } });
        let kept = Some(Effect::Deployed("r".parse().unwrap(), json!({ "region": "eu-north-1" })));
        for status in [JobStatus::Success, JobStatus::Failed, JobStatus::Cancelled] {
            assert_eq!(ended("DEPLOY_RUNNER", status, &json!({ "runner_id": "r" }), &metadata), kept);
        }
        assert_eq!(ended("DEPLOY_RUNNER", JobStatus::Failed, &json!({ "runner_id": "r" }), &json!({})), None);
        assert_eq!(ended("DEPLOY_RUNNER", JobStatus::Processing, &json!({ "runner_id": "r" }), &metadata), None);
    }
}
