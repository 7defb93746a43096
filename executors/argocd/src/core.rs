//! Argo CD without its server ("core mode"): its objects in the cluster that it lives in, as its documentation names them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use executor_api::ExecutorError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{Api, Cascade, Change, When};
use crate::application::{Application, ApplicationName, History, REFRESH, resource_name};
use crate::failure::Failure;
use crate::kube::{Kube, Patch};
use crate::operation::Tag;
use crate::repository::Repository;
use crate::sync::SyncOptions;

const APPLICATION: &str = "applications.argoproj.io";
const PROJECT: &str = "appprojects.argoproj.io";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// How many unhealthy resources are asked what is wrong with them.
const MOST_COMPLAINTS: usize = 20;

/// Argo CD through the cluster that it lives in.
pub(crate) struct CoreApi<'a> {
    kube: Kube<'a>,
    /// Where its web pages are, if it says so.
    url: Option<String>,
}

/// An object as it is, as far as an upsert cares.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Existing {
    metadata: ExistingMetadata,
    spec: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExistingMetadata {
    resource_version: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    data: BTreeMap<String, String>,
}

impl<'a> CoreApi<'a> {
    /// Reads Argo CD's own settings: a cluster without it is found out here.
    pub(crate) async fn connect(kube: Kube<'a>) -> Result<Self, Failure> {
        let settings = kube.get::<ConfigMap>(When::Working, "configmaps", Some("argocd-cm")).await;
        let settings = settings.map_err(|failure| match failure {
            Failure::Missing(_) => {
                let why =
                    format!("there is no Argo CD in the namespace {}: its argocd-cm is missing", kube.namespace());
                Failure::Final(ExecutorError::invalid("/namespace", why))
            }
            other => other,
        })?;
        let url = settings.data.get("url").filter(|url| url.starts_with("http")).cloned();
        Ok(Self { kube, url })
    }

    /// Makes it, or makes it what the manifest says: all of its spec, and the metadata that it names.
    async fn upsert(&self, kind: &str, manifest: &Value) -> Result<Change, Failure> {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let existing = match self.kube.get::<Existing>(When::Working, kind, Some(name)).await {
            Ok(existing) => existing,
            Err(Failure::Missing(_)) => return self.kube.create(manifest).await.map(|()| Change::Created),
            Err(failure) => return Err(failure),
        };
        let changes = changes(&existing, manifest);
        if changes.is_empty() {
            self.kube.job.log().system(format!("{name} is as it should be"));
            return Ok(Change::Unchanged);
        }
        let mut operations = vec![
            json!({ "op": "test", "path": "/metadata/resourceVersion", "value": existing.metadata.resource_version }),
        ];
        operations.extend(changes);
        self.kube.patch(When::Working, kind, name, Patch::Operations, &Value::Array(operations)).await?;
        Ok(Change::Updated)
    }

    async fn change(&self, when: When, application: &Application, mut change: Value) -> Result<(), Failure> {
        // Only if it still is what we know.
        change["metadata"]["resourceVersion"] = json!(application.metadata.resource_version);
        self.kube.patch(when, APPLICATION, &application.metadata.name, Patch::Merge, &change).await
    }

    /// As Argo CD's server does it: one operation at a time, and the last one's outcome is gone.
    async fn start(&self, application: &Application, sync: Value, tag: &Tag) -> Result<(), Failure> {
        if application.is_busy() {
            let text = "another operation is already in progress".to_owned();
            return Err(Failure::Busy(ExecutorError::Unsuccessful(text)));
        }
        let mut operation = json!({ "sync": sync, "initiatedBy": { "username": "alethia" },
                                    "info": [{ "name": Tag::NAME, "value": tag.value() }] });
        if let Some(retry) = application.spec.sync_policy.as_ref().and_then(|policy| policy.retry.clone()) {
            operation["retry"] = retry;
        }
        self.change(When::Working, application, json!({ "operation": operation, "status": { "operationState": null } }))
            .await
    }
}

/// What differs, as operations of a JSON patch.
fn changes(existing: &Existing, manifest: &Value) -> Vec<Value> {
    let mut changes = Vec::new();
    if existing.spec != manifest["spec"] {
        changes.push(json!({ "op": "replace", "path": "/spec", "value": manifest["spec"] }));
    }
    let metadata = &manifest["metadata"];
    for (field, known) in [("labels", &existing.metadata.labels), ("annotations", &existing.metadata.annotations)] {
        let wanted: BTreeMap<String, String> = serde_json::from_value(metadata[field].clone()).unwrap_or_default();
        if wanted.iter().any(|(key, value)| known.get(key) != Some(value)) {
            let all: Map<_, _> = known.iter().chain(&wanted).map(|(key, value)| (key.clone(), json!(value))).collect();
            changes.push(json!({ "op": "add", "path": format!("/metadata/{field}"), "value": all }));
        }
    }
    let wanted = metadata["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    let has_one = existing.metadata.finalizers.iter().any(|finalizer| finalizer.starts_with(FINALIZER));
    if wanted && !has_one {
        let all: Vec<_> = existing.metadata.finalizers.iter().map(String::as_str).chain([FINALIZER]).collect();
        changes.push(json!({ "op": "add", "path": "/metadata/finalizers", "value": all }));
    }
    changes
}

#[async_trait]
impl Api for CoreApi<'_> {
    async fn get(&self, when: When, name: &ApplicationName) -> Result<Application, Failure> {
        self.kube.get(when, APPLICATION, Some(&name.name)).await
    }

    async fn refresh(&self, name: &ApplicationName) -> Result<(), Failure> {
        let change = json!({ "metadata": { "annotations": { REFRESH: "normal" } } });
        self.kube.patch(When::Working, APPLICATION, &name.name, Patch::Merge, &change).await
    }

    async fn upsert_application(&self, manifest: &Value) -> Result<Change, Failure> {
        self.upsert(APPLICATION, manifest).await
    }

    async fn upsert_project(&self, manifest: &Value) -> Result<(), Failure> {
        self.upsert(PROJECT, manifest).await.map(drop)
    }

    async fn upsert_repository(&self, repository: &Repository) -> Result<(), Failure> {
        self.kube.apply(&repository.secret(self.kube.namespace())).await
    }

    async fn start_sync(&self, application: &Application, options: &SyncOptions, tag: &Tag) -> Result<(), Failure> {
        let mut sync = json!({ "prune": options.prune, "dryRun": options.dry_run,
                               "syncStrategy": { "hook": { "force": options.force } } });
        if let Some(revision) = &options.revision {
            sync["revision"] = json!(revision);
        }
        if !options.resources.is_empty() {
            sync["resources"] = json!(options.resources);
        }
        if let Some(policy) = &application.spec.sync_policy {
            sync["syncOptions"] = json!(policy.sync_options);
        }
        self.start(application, sync, tag).await
    }

    async fn start_rollback(
        &self,
        application: &Application,
        to: &History,
        prune: bool,
        tag: &Tag,
    ) -> Result<(), Failure> {
        let mut sync = json!({ "prune": prune, "syncStrategy": { "apply": {} } });
        if to.revisions.is_empty() {
            sync["revision"] = json!(to.revision);
        } else {
            sync["revisions"] = json!(to.revisions);
        }
        for (name, value) in [("source", &to.source), ("sources", &to.sources)] {
            if let Some(value) = value {
                sync[name] = value.clone();
            }
        }
        if let Some(policy) = &application.spec.sync_policy {
            sync["syncOptions"] = json!(policy.sync_options);
        }
        self.start(application, sync, tag).await
    }

    async fn terminate(&self, application: &Application) -> Result<(), Failure> {
        if application.status.operation_state.is_some() {
            let phase = json!({ "status": { "operationState": { "phase": "Terminating" } } });
            return self.change(When::Settling, application, phase).await;
        }
        // Nobody has begun it.
        self.change(When::Settling, application, json!({ "operation": null })).await
    }

    async fn delete(&self, application: &Application, cascade: Cascade) -> Result<(), Failure> {
        let others = application.metadata.finalizers.iter().filter(|one| !one.starts_with(FINALIZER)).cloned();
        let ours = match cascade {
            Cascade::Foreground => Some(FINALIZER.to_owned()),
            Cascade::Background => Some(format!("{FINALIZER}/background")),
            Cascade::Orphan => None,
        };
        let finalizers: Vec<_> = others.chain(ours).collect();
        if finalizers != application.metadata.finalizers {
            self.change(When::Working, application, json!({ "metadata": { "finalizers": finalizers } })).await?;
        }
        self.kube.delete(APPLICATION, &application.metadata.name).await
    }

    fn tells_what_is_missing(&self) -> bool {
        true
    }

    fn url(&self, application: &Application) -> Option<String> {
        let metadata = &application.metadata;
        let url = self.url.as_ref()?.trim_end_matches('/');
        Some(format!("{url}/applications/{}/{}", metadata.namespace, metadata.name))
    }

    /// Argo CD keeps the health of single resources where only its server looks. The resources themselves say what
    /// is wrong with them, if they are in this cluster.
    async fn complaints(&self, application: &Application) -> Vec<String> {
        let to = &application.spec.destination;
        if to.server != "https://kubernetes.default.svc" && to.name != "in-cluster" {
            return Vec::new();
        }
        let mut complaints = Vec::new();
        let resources = application.status.resources.iter().filter(|one| one.health.is_none());
        for one in resources.take(MOST_COMPLAINTS) {
            let kind = if one.group.is_empty() { one.kind.clone() } else { format!("{}.{}", one.kind, one.group) };
            // What is in no namespace is found in any.
            let elsewhere = self.kube.of_namespace(&one.namespace).ok();
            let kube = elsewhere.as_ref().unwrap_or(&self.kube);
            let Ok(object) = kube.get(When::Working, &kind, Some(&one.name)).await else { continue };
            complaints.extend(
                complaint(&object)
                    .map(|text| format!("{}: {text}", resource_name(&one.kind, &one.namespace, &one.name))),
            );
        }
        complaints
    }
}

/// The first condition that says that something is wrong, as Kubernetes' own kinds and most others write it.
fn complaint(object: &Value) -> Option<String> {
    const BAD: [&str; 4] = ["Failed", "FailureTarget", "ReplicaFailure", "Stalled"];
    let is_bad = |one: &&Value| {
        let kind = one["type"].as_str().unwrap_or_default();
        one["status"] == if BAD.contains(&kind) { "True" } else { "False" }
    };
    let conditions = object["status"]["conditions"].as_array()?;
    let bad = conditions.iter().find(is_bad)?;
    let text = |field: &str| bad[field].as_str().unwrap_or_default();
    Some(format!("{}: {}", text("reason"), text("message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upsert_changes_what_differs_and_nothing_else() {
        let existing: Existing = serde_json::from_value(json!({
            "metadata": { "resourceVersion": "7", "labels": { "team": "a" }, "finalizers": ["x"] }, "spec": { "project": "a" },
        }))
        .unwrap();
        let same = json!({ "metadata": { "labels": { "team": "a" }, "annotations": {} }, "spec": { "project": "a" } });
        assert!(changes(&existing, &same).is_empty());
        let other =
            json!({ "metadata": { "labels": { "tier": "1" }, "finalizers": [FINALIZER] }, "spec": { "project": "b" } });
        let expected = [
            json!({ "op": "replace", "path": "/spec", "value": { "project": "b" } }),
            json!({ "op": "add", "path": "/metadata/labels", "value": { "team": "a", "tier": "1" } }),
            json!({ "op": "add", "path": "/metadata/finalizers", "value": ["x", FINALIZER] }),
        ];
        assert_eq!(changes(&existing, &other), expected);
    }

    #[test]
    fn a_resource_says_what_is_wrong_with_it() {
        let deployment = json!({ "status": { "conditions": [
            { "type": "Available", "status": "True", "reason": "Yes", "message": "" },
            { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it took too long" },
        ] } });
        assert_eq!(complaint(&deployment).unwrap(), "ProgressDeadlineExceeded: it took too long");
        let job = json!({ "status": { "conditions": [{ "type": "Failed", "status": "True", "reason": "Backoff", "message": "no" }] } });
        assert_eq!(complaint(&job).unwrap(), "Backoff: no");
        assert_eq!(complaint(&json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } })), None);
        assert_eq!(complaint(&json!({})), None);
    }
}
