//! `kubectl apply`, and what it did.

use std::collections::BTreeSet;

use executor_api::{ExecutorError, Finished};

use crate::conflict::{self, Conflict, conflicts};
use crate::diagnostics;
use crate::kubectl::{Interrupted, Kubectl, read};
use crate::lines::{self, Line};
use crate::live::{Look, MANAGER};
use crate::manifests::ManifestFiles;
use crate::object::{Change, Identity, ObjectChange};
use crate::prune::Prune;
use crate::secrets;

/// How manifests are applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The API server merges, and remembers which fields are ours. Else kubectl does, as it used to.
    pub server_side: bool,
    /// Take over fields that others own.
    pub force_conflicts: bool,
    /// Take away what the manifests no longer have.
    pub prune: Option<Prune>,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self { server_side: true, force_conflicts: false, prune: None }
    }
}

/// What an apply did that did not come to its end.
#[derive(Clone, Debug, Default)]
pub struct Partial {
    /// The objects that were worked on.
    pub objects: Vec<ObjectChange>,
    /// The fields that others own.
    pub conflicts: Vec<Conflict>,
}

impl Kubectl<'_> {
    /// Looks at the objects of manifests before they are applied or compared. What is secret in those that are there
    /// is hidden from the log: a difference would show it.
    ///
    /// # Errors
    /// If the cluster cannot be reached or does not know us. That an object is not there, or may not be looked at, is no
    /// error.
    pub async fn look(&self, manifests: &ManifestFiles) -> Result<Look, ExecutorError> {
        let finished = self.job.capture(self.look_command(manifests)).await?;
        if !finished.exit.is_success() && !diagnostics::is_blind(&finished.stderr_tail) {
            return Err(self.failure("get", &finished));
        }
        let objects = read(&finished.stdout)?;
        secrets::mask(self.job, &objects);
        Ok(Look::new(objects, finished.exit.is_success()))
    }

    fn look_command(&self, manifests: &ManifestFiles) -> executor_api::Command {
        let args = ["--output=json", "--ignore-not-found", "--show-managed-fields"];
        manifests.add_to(self.request(&["get"]).args(args))
    }

    /// Applies manifests. `before` is a look at them of just now, which says what is new. Call
    /// [`executor_api::JobContext::commit_point`] first.
    ///
    /// # Errors
    /// What went wrong, and what had been done by then.
    pub async fn apply(
        &self,
        manifests: &ManifestFiles,
        options: &ApplyOptions,
        before: &Look,
    ) -> Result<Vec<ObjectChange>, Interrupted<Partial>> {
        let finished = self.job.tee(manifests.add_to(options.add_to(self.request(&["apply"])))).await;
        let after = self.objects_after(self.look_command(manifests)).await;
        let after = after.map(|objects| Look::new(objects, true)).unwrap_or_default();
        let finished = match finished {
            Ok(finished) => finished,
            // What it said is lost; what it did shows.
            Err(error) => {
                let objects = before.changes_to(&after).into_iter().filter(|one| one.change != Change::Unchanged);
                return Err(Interrupted {
                    error,
                    known: Partial { objects: objects.collect(), conflicts: Vec::new() },
                });
            }
        };
        let report = Report { kubectl: self, manifests, before, after: &after };
        let (objects, missed) = report.objects(&lines::applied(&finished.stdout));
        if finished.exit.is_success() {
            let skipped = missed.into_iter().map(|identity| identity.changed(Change::Skipped));
            return Ok(objects.into_iter().chain(skipped).collect());
        }
        let conflicts = conflicts(&finished.stderr_tail, &missed, before);
        let error = self.apply_failure("apply", &finished, &conflicts);
        Err(Interrupted { error, known: Partial { objects, conflicts } })
    }

    pub(crate) fn apply_failure(&self, verb: &str, finished: &Finished, conflicts: &[Conflict]) -> ExecutorError {
        if conflicts.is_empty() {
            return self.failure(verb, finished);
        }
        self.failed_with(verb, finished, conflict::explain(conflicts))
    }
}

impl ApplyOptions {
    pub(crate) fn add_to(&self, command: executor_api::Command) -> executor_api::Command {
        let command = if self.server_side {
            command.arg("--server-side").arg(format!("--field-manager={MANAGER}"))
        } else {
            command
        };
        let command = if self.force_conflicts { command.arg("--force-conflicts") } else { command };
        match &self.prune {
            Some(prune) => prune.add_to(command),
            None => command,
        }
    }
}

/// Lines, manifests and two looks, put together.
struct Report<'r> {
    kubectl: &'r Kubectl<'r>,
    manifests: &'r ManifestFiles,
    before: &'r Look,
    after: &'r Look,
}

impl Report<'_> {
    /// What happened to each object that kubectl says a line about, and the objects that it says nothing about.
    fn objects(&self, lines: &[Line]) -> (Vec<ObjectChange>, Vec<Identity>) {
        let mut missed: Vec<_> = self.manifests.objects().to_vec();
        let mut seen = BTreeSet::new();
        let mut objects = Vec::new();
        for line in lines {
            let at = missed.iter().position(|identity| identity.is_named(&line.resource, &line.name));
            let manifest = at.map(|at| missed.remove(at));
            let identity = self.identity(line, manifest.as_ref());
            let change = match line.change {
                // Of two manifests of one object the second changes nothing that the looks could tell.
                Change::Applied if !seen.contains(&identity) => self.before.change_to(self.after, &identity),
                other => other,
            };
            seen.insert(identity.clone());
            objects.push(identity.changed(change));
        }
        (objects, missed)
    }

    fn identity(&self, line: &Line, manifest: Option<&Identity>) -> Identity {
        let namespace = manifest.and_then(|manifest| manifest.namespace.as_deref());
        let namespace = namespace.unwrap_or_else(|| self.kubectl.namespace());
        let live = [self.after, self.before].into_iter();
        let live = live.filter_map(|look| look.find(&line.resource, &line.name, Some(namespace))).next();
        live.map_or_else(
            || Identity {
                resource: line.resource.clone(),
                namespace: Some(namespace.to_owned()),
                name: line.name.clone(),
            },
            |(identity, _)| identity.clone(),
        )
    }
}
