//! `kubectl delete`, and what it took away.

use std::time::Duration;

use executor_api::Finished;

use crate::kubectl::{Interrupted, Kubectl, LOOK_LIMIT, read};
use crate::lines::{self, Line};
use crate::object::{Change, Identity, ObjectChange};
use crate::targets::{Resource, Targets};

impl Kubectl<'_> {
    /// Takes objects away; with a time, waits that long until they are gone. What is not there is good. Call
    /// [`executor_api::JobContext::commit_point`] first.
    ///
    /// # Errors
    /// What went wrong, and what had been taken away by then.
    pub async fn delete(
        &self,
        targets: &Targets,
        wait: Option<Duration>,
    ) -> Result<Vec<ObjectChange>, Interrupted<Vec<ObjectChange>>> {
        let command = self.command(&["delete"]).arg("--ignore-not-found");
        let command = match wait {
            Some(limit) => command.arg("--wait=true").arg(format!("--timeout={}s", limit.as_secs())),
            None => command.arg("--wait=false"),
        };
        let look = targets.add_to(self.request(&["get"]).args(["--output=json", "--ignore-not-found"]));
        let before = match self.job.capture(look.clone()).await {
            Ok(finished) => present(&finished),
            Err(error) => return Err(Interrupted { error, known: Vec::new() }),
        };
        let finished = match self.job.tee(targets.add_to(command)).await {
            Ok(finished) => finished,
            // What it said is lost; what was there before and is not now shows.
            Err(error) => {
                let after = self.job.clean_up_capture(look, LOOK_LIMIT).await.ok();
                let after = after.and_then(|finished| present(&finished));
                let looks = before.zip(after);
                let known = looks.map(|(before, after)| self.gone(targets, before, &after)).unwrap_or_default();
                return Err(Interrupted { error, known });
            }
        };
        let deleted = self.deleted(targets, &lines::deleted(&finished.stdout));
        if !finished.exit.is_success() {
            return Err(Interrupted { error: self.failure("delete", &finished), known: deleted });
        }
        let absent = missing(targets, self.wanted(targets), &deleted);
        Ok(deleted.into_iter().chain(absent).collect())
    }

    /// All that was to be taken away, as if it had not been there.
    fn wanted(&self, targets: &Targets) -> Vec<ObjectChange> {
        let named = |resource: &Resource| ObjectChange {
            resource: resource.kind().to_owned(),
            namespace: Some(self.namespace().to_owned()),
            name: resource.name().to_owned(),
            change: Change::Absent,
        };
        match targets {
            Targets::Manifests(files) => {
                files.objects().iter().map(|identity| identity.clone().changed(Change::Absent)).collect()
            }
            Targets::Named(resources) => resources.iter().map(named).collect(),
            Targets::Kinds { .. } => Vec::new(),
        }
    }

    fn deleted(&self, targets: &Targets, lines: &[Line]) -> Vec<ObjectChange> {
        let wanted = self.wanted(targets);
        let object = |line: &Line| {
            let target = wanted.iter().find(|one| one.resource == line.resource && one.name == line.name);
            let namespace = target.and_then(|target| target.namespace.clone());
            ObjectChange {
                resource: line.resource.clone(),
                namespace: namespace.or_else(|| Some(self.namespace().to_owned())),
                name: line.name.clone(),
                change: line.change,
            }
        };
        lines.iter().map(object).collect()
    }

    fn gone(&self, targets: &Targets, before: Vec<Identity>, after: &[Identity]) -> Vec<ObjectChange> {
        let before: Vec<_> = before.into_iter().map(|identity| identity.changed(Change::Deleted)).collect();
        let absent = missing(targets, self.wanted(targets), &before);
        let is_left = |one: &ObjectChange| after.iter().any(|left| left.clone().changed(one.change) == *one);
        before.into_iter().filter(|one| !is_left(one)).chain(absent).collect()
    }
}

/// The objects that a look found. None if it could not see all.
fn present(finished: &Finished) -> Option<Vec<Identity>> {
    let objects = read(&finished.stdout).ok().filter(|_| finished.exit.is_success())?;
    Some(objects.iter().filter_map(Identity::of).collect())
}

/// Those of the targets that are not among these objects. How a person wrote a kind (`deploy`, `deployments`) is not how
/// kubectl does: of named targets only the name counts.
fn missing(targets: &Targets, wanted: Vec<ObjectChange>, found: &[ObjectChange]) -> Vec<ObjectChange> {
    let is_exact = matches!(targets, Targets::Manifests(_));
    let is = |one: &ObjectChange, target: &ObjectChange| {
        one.name == target.name && (!is_exact || one.resource == target.resource)
    };
    wanted.into_iter().filter(|target| !found.iter().any(|one| is(one, target))).collect()
}
