//! An Application as Argo CD tells of it, as far as it is read here. Seen with Argo CD 3.2.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The annotation that asks for a look at source and cluster; Argo CD takes it away when it has looked.
pub(crate) const REFRESH: &str = "argocd.argoproj.io/refresh";

/// The name of an application, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationName {
    /// Where it lives; Argo CD's own namespace if none.
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

/// As Argo CD's program takes it.
impl fmt::Display for ApplicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Application {
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
    /// What is asked for and not done.
    pub(crate) operation: Option<Operation>,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) annotations: serde_json::Map<String, Value>,
    pub(crate) finalizers: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) destination: Destination,
    pub(crate) sync_policy: Option<SyncPolicy>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Destination {
    pub(crate) server: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SyncPolicy {
    pub(crate) automated: Option<Automated>,
    pub(crate) sync_options: Vec<String>,
    pub(crate) retry: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Automated {
    pub(crate) enabled: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Operation {
    pub(crate) sync: Option<SyncOperation>,
    pub(crate) info: Vec<Info>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SyncOperation {
    pub(crate) revision: String,
    pub(crate) revisions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) resources: Vec<ResourceStatus>,
    pub(crate) sync: SyncStatus,
    pub(crate) health: HealthStatus,
    pub(crate) history: Vec<History>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) operation_state: Option<OperationState>,
    pub(crate) summary: Summary,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SyncStatus {
    /// `Synced`, `OutOfSync` or `Unknown`; empty as long as nobody has looked.
    pub(crate) status: String,
    pub(crate) revision: String,
    pub(crate) revisions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct HealthStatus {
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    pub(crate) status: String,
    pub(crate) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ResourceStatus {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty for a hook.
    pub(crate) status: String,
    pub(crate) health: Option<HealthStatus>,
    pub(crate) hook: bool,
    pub(crate) requires_pruning: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    pub(crate) id: u64,
    pub(crate) revision: String,
    pub(crate) revisions: Vec<String>,
    pub(crate) source: Option<Value>,
    pub(crate) sources: Option<Value>,
}

/// Something that Argo CD wants to be known about an application: an error, mostly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Condition {
    /// For example `ComparisonError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OperationState {
    pub(crate) operation: Operation,
    pub(crate) phase: Phase,
    pub(crate) message: String,
    pub(crate) sync_result: Option<SyncResult>,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
}

/// How far an operation is, in Argo CD's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Phase {
    /// It goes on.
    Running,
    /// It is being ended before its time.
    Terminating,
    /// It did not come to a good end.
    Failed,
    /// It could not be done.
    Error,
    /// It came to a good end.
    Succeeded,
    /// Anything else.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// Nothing more happens.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Succeeded)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SyncResult {
    pub(crate) resources: Vec<ResourceResult>,
    pub(crate) revision: String,
    pub(crate) revisions: Vec<String>,
}

/// What an operation did to one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ResourceResult {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `Synced`, `SyncFailed`, `Pruned`, `PruneSkipped`; empty for hooks.
    pub(crate) status: String,
    pub(crate) message: String,
    /// `PreSync` and so on; empty for what is no hook.
    pub(crate) hook_type: String,
    pub(crate) hook_phase: Option<Phase>,
    pub(crate) sync_phase: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    #[serde(rename = "externalURLs")]
    pub(crate) external_urls: Vec<String>,
}

impl Application {
    /// Somebody's operation is asked for, or goes on.
    pub(crate) fn is_busy(&self) -> bool {
        self.operation.is_some()
    }

    /// Somebody asked for a look that has not been taken.
    pub(crate) fn is_to_be_refreshed(&self) -> bool {
        self.metadata.annotations.contains_key(REFRESH)
    }

    /// What differs is no longer in the source, and nobody will delete it.
    pub(crate) fn only_pruning_is_left(&self) -> bool {
        let mut others = self.status.resources.iter().filter(|one| !one.hook && one.status != "Synced").peekable();
        self.status.sync.status == "OutOfSync"
            && !self.is_automated()
            && others.peek().is_some()
            && others.all(|one| one.requires_pruning)
    }

    pub(crate) fn is_automated(&self) -> bool {
        let automated = self.spec.sync_policy.as_ref().and_then(|policy| policy.automated.as_ref());
        automated.is_some_and(|automated| automated.enabled != Some(false))
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.status.sync.status == "Synced"
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.status.health.status == "Healthy"
    }

    /// How it is, in two words.
    pub(crate) fn standing(&self) -> String {
        format!("{}, {}", or_unknown(&self.status.sync.status), or_unknown(&self.status.health.status))
    }

    /// The last sync that is in its history.
    pub(crate) fn last_history(&self) -> Option<&History> {
        self.status.history.iter().max_by_key(|history| history.id)
    }
}

impl ResourceResult {
    pub(crate) fn has_failed(&self) -> bool {
        let hook_failed = matches!(self.hook_phase, Some(Phase::Failed | Phase::Error));
        self.status == "SyncFailed" || (self.status != "Synced" && hook_failed)
    }
}

pub(crate) fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "Unknown" } else { text }
}

/// `Deployment web/api`, as a person names a resource.
pub(crate) fn resource_name(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}
