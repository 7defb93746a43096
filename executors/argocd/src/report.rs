//! What a job says about an application to programs, and to a person when it is not as it should be.

use executor_api::Outcome;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::application::{Application, Condition, OperationState, Phase, ResourceStatus, or_unknown, resource_name};
use crate::progress::one_line;

/// More would be no summary any more. The unhealthy come first.
const MOST_RESOURCES: usize = 200;
/// How many resources an error names.
const MOST_NAMED: usize = 20;

/// An application, as it was seen last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApplicationReport {
    /// Its name.
    pub application: String,
    /// Where it lives.
    pub namespace: String,
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub sync_status: String,
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    pub health_status: String,
    /// The revision that it was compared with; of a source among several, the first.
    pub revision: String,
    /// The revisions, where it has several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// The number of its last sync, for a rollback.
    pub history_id: Option<u64>,
    /// Its last or current operation, whosever it is.
    pub operation: Option<OperationReport>,
    /// What Argo CD complains about.
    pub conditions: Vec<Condition>,
    /// Its resources, at most 200.
    pub resources: Vec<ResourceReport>,
    /// How many more there are.
    pub resources_left_out: usize,
    /// Where a person sees it.
    pub url: Option<String>,
    /// Where it can be used, as its ingresses say.
    pub external_urls: Vec<String>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperationReport {
    /// How far it is.
    pub phase: Phase,
    /// What Argo CD says about it.
    pub message: String,
    /// What it brought.
    pub revision: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: Option<String>,
}

/// A resource of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceReport {
    /// Empty for the core group.
    pub group: String,
    /// For example `Deployment`.
    pub kind: String,
    /// Empty for what has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub sync: String,
    /// As for the application; none where Argo CD has no opinion, or does not tell it here (core mode).
    pub health: Option<String>,
    /// What Argo CD says about its health.
    pub message: String,
}

impl ApplicationReport {
    pub(crate) fn new(application: &Application, url: Option<String>) -> Self {
        let status = &application.status;
        let mut resources: Vec<_> = status.resources.iter().filter(|one| !one.hook).collect();
        resources.sort_by_key(|one| !is_in_the_way(one));
        let left_out = resources.len().saturating_sub(MOST_RESOURCES);
        Self {
            application: application.metadata.name.clone(),
            namespace: application.metadata.namespace.clone(),
            sync_status: or_unknown(&status.sync.status).to_owned(),
            health_status: or_unknown(&status.health.status).to_owned(),
            revision: one_revision(&status.sync.revision, &status.sync.revisions),
            revisions: status.sync.revisions.clone(),
            history_id: application.last_history().map(|history| history.id),
            operation: status.operation_state.as_ref().map(OperationReport::new),
            conditions: status.conditions.clone(),
            resources: resources.into_iter().take(MOST_RESOURCES).map(ResourceReport::new).collect(),
            resources_left_out: left_out,
            url,
            external_urls: status.summary.external_urls.clone(),
        }
    }

    /// As metadata of a job.
    #[must_use]
    pub fn metadata(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    /// As what a job answers.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome { metadata: self.metadata() }
    }
}

impl OperationReport {
    fn new(state: &OperationState) -> Self {
        let result = state.sync_result.as_ref();
        Self {
            phase: state.phase,
            message: state.message.clone(),
            revision: result.map(|result| one_revision(&result.revision, &result.revisions)).unwrap_or_default(),
            started_at: state.started_at.clone(),
            finished_at: state.finished_at.clone(),
        }
    }
}

impl ResourceReport {
    fn new(one: &ResourceStatus) -> Self {
        let health = one.health.as_ref();
        Self {
            group: one.group.clone(),
            kind: one.kind.clone(),
            namespace: one.namespace.clone(),
            name: one.name.clone(),
            sync: or_unknown(&one.status).to_owned(),
            health: health.map(|health| health.status.clone()),
            message: health.map(|health| health.message.clone()).unwrap_or_default(),
        }
    }
}

fn one_revision(one: &str, several: &[String]) -> String {
    if one.is_empty() { several.first().cloned().unwrap_or_default() } else { one.to_owned() }
}

fn is_unhealthy(one: &ResourceStatus) -> bool {
    one.health.as_ref().is_some_and(|health| health.status != "Healthy")
}

fn is_in_the_way(one: &ResourceStatus) -> bool {
    is_unhealthy(one) || (!one.hook && one.status != "Synced")
}

/// What keeps an application from being synced and healthy, a line each.
pub(crate) fn obstacles(application: &Application) -> Vec<String> {
    let status = &application.status;
    let conditions = status.conditions.iter().map(|one| format!("{}: {}", one.kind, one_line(&one.message)));
    let operation = status.operation_state.iter().filter(|state| !state.phase.is_final());
    let operation = operation.map(|state| format!("operation {}: {}", state.phase, one_line(&state.message)));
    let resources = status.resources.iter().filter(|one| is_in_the_way(one)).map(|one| {
        let health = one.health.as_ref().filter(|health| health.status != "Healthy");
        let sync = (!one.hook && one.status != "Synced").then(|| or_unknown(&one.status).to_owned());
        let health_word = health.map(|health| health.status.clone());
        let words: Vec<_> = sync.into_iter().chain(health_word).collect();
        let message = health.map(|health| one_line(&health.message)).filter(|text| !text.is_empty());
        let pruning = one.requires_pruning && !one.hook;
        let more = if pruning { "is no longer in the source".to_owned() } else { message.unwrap_or_default() };
        let more = if more.is_empty() { more } else { format!(": {more}") };
        format!("{}: {}{more}", resource_name(&one.kind, &one.namespace, &one.name), words.join(", "))
    });
    conditions.chain(operation).chain(resources).collect()
}

/// What an operation failed at, a line each.
pub(crate) fn failures(state: &OperationState) -> Vec<String> {
    let failed = state.sync_result.iter().flat_map(|result| &result.resources).filter(|one| one.has_failed());
    failed
        .map(|one| {
            let hook = if one.hook_type.is_empty() { String::new() } else { format!(" ({} hook)", one.hook_type) };
            format!("{}{hook}: {}", resource_name(&one.kind, &one.namespace, &one.name), one_line(&one.message))
        })
        .collect()
}

/// A text and the lines below it; not all of them if they are many.
pub(crate) fn with_lines(text: &str, lines: &[String]) -> String {
    let more = lines.len().saturating_sub(MOST_NAMED);
    let shown = lines.iter().take(MOST_NAMED).map(|line| format!("\n  {line}")).collect::<String>();
    let rest = if more == 0 { String::new() } else { format!("\n  and {more} more") };
    format!("{text}{shown}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn application() -> Application {
        let healthy = |name: usize| json!({ "kind": "ConfigMap", "namespace": "x", "name": format!("c{name}"), "status": "Synced" });
        let mut resources: Vec<_> = (0..250).map(healthy).collect();
        resources.push(
            json!({ "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "OutOfSync",
                               "health": { "status": "Degraded", "message": "too\nlate" } }),
        );
        resources.push(json!({ "kind": "Secret", "namespace": "x", "name": "old", "status": "OutOfSync", "requiresPruning": true }));
        resources.push(json!({ "kind": "Pod", "namespace": "x", "name": "hook", "hook": true, "requiresPruning": true,
                               "health": { "status": "Progressing" } }));
        serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "argocd" },
            "status": { "resources": resources, "sync": { "status": "OutOfSync", "revisions": ["r1", "r2"] },
                        "health": { "status": "Degraded" }, "history": [{ "id": 3 }, { "id": 12 }, { "id": 7 }],
                        "conditions": [{ "type": "ComparisonError", "message": "no" }],
                        "operationState": { "phase": "Running", "message": "waiting" } },
        }))
        .unwrap()
    }

    #[test]
    fn a_report_is_bounded_and_begins_with_what_is_wrong() {
        let report = ApplicationReport::new(&application(), None);
        assert_eq!((report.resources.len(), report.resources_left_out), (200, 52));
        assert_eq!((report.resources[0].name.as_str(), report.resources[1].name.as_str()), ("web", "old"));
        assert_eq!((report.revision.as_str(), report.history_id), ("r1", Some(12)));
        assert_eq!(report.outcome().metadata["health_status"], "Degraded");
    }

    #[test]
    fn whatever_is_in_the_way_is_named() {
        assert_eq!(
            obstacles(&application()),
            [
                "ComparisonError: no",
                "operation Running: waiting",
                "Deployment x/web: OutOfSync, Degraded: too late",
                "Secret x/old: OutOfSync: is no longer in the source",
                "Pod x/hook: Progressing",
            ]
        );
        let lines: Vec<_> = (0..22).map(|n| n.to_string()).collect();
        assert!(with_lines("head", &lines).ends_with("\n  19\n  and 2 more"));
    }
}
