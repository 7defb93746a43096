//! Objects of a cluster, as kubectl names them, and what happened to them.

use serde::Serialize;
use serde_json::Value;

/// An object, as far as it can be told from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// Kubectl's word for the kind: `deployment.apps`, `configmap`.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectChange {
    /// Kubectl's word for its kind: `deployment.apps`, `configmap`.
    pub resource: String,
    /// Where it is; missing for what belongs to the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What happened.
    pub change: Change,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    Created,
    /// It was there, and is another now.
    Configured,
    /// It was like that.
    Unchanged,
    /// It is as the manifest says; whether it was before, nobody could look.
    Applied,
    /// It is no longer in the manifests, and was taken away.
    Pruned,
    /// It is in the manifests, and kubectl passed it over: its labels are not those of the selector.
    Skipped,
    /// It was taken away.
    Deleted,
    /// It was not there to be taken away.
    Absent,
}

impl Identity {
    /// Of an object of the API. None if it is no object.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let kind = object["kind"].as_str()?.to_ascii_lowercase();
        let resource = match object["apiVersion"].as_str()?.rsplit_once('/') {
            Some((group, _)) => format!("{kind}.{group}"),
            None => kind,
        };
        let name = object["metadata"]["name"].as_str()?.to_owned();
        Some(Self { resource, namespace: object["metadata"]["namespace"].as_str().map(str::to_owned), name })
    }

    /// Whether kubectl's `resource/name` means this object.
    pub(crate) fn is_named(&self, resource: &str, name: &str) -> bool {
        self.resource == resource && self.name == name
    }

    pub(crate) fn changed(self, change: Change) -> ObjectChange {
        ObjectChange { resource: self.resource, namespace: self.namespace, name: self.name, change }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.resource, self.name)
    }
}
