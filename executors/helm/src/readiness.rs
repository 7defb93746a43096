//! Whether the objects of a release are ready, by the rules that `helm --wait` and kubectl go by.

use serde::Serialize;
use serde_json::Value;

use crate::manifest;
use crate::output::Document;

/// One object of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// For example `apps/v1`.
    pub api_version: String,
    /// For example `Deployment`.
    pub kind: String,
    /// Empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it does what it is there for. What has no state of its own is ready when it exists.
    pub ready: bool,
    /// Why not, or how far it is.
    pub message: String,
}

/// The objects of a release: those that are there, then those that should be.
pub(crate) fn resources(document: &Document) -> Vec<Resource> {
    let lists = document.info.resources.iter().filter(|(kind, _)| !kind.ends_with("(related)"));
    let mut resources: Vec<_> = lists.flat_map(|(_, objects)| objects).map(resource).collect();
    for object in manifest::objects(&document.manifest) {
        let is_it = |one: &Resource| (one.kind.as_str(), one.name.as_str()) == (&object.kind, &object.name);
        // A list is shown by what is in it.
        if !resources.iter().any(is_it) && !object.name.is_empty() {
            resources.push(Resource {
                api_version: object.api_version,
                kind: object.kind,
                namespace: object.namespace,
                name: object.name,
                ready: false,
                message: "it is not there".to_owned(),
            });
        }
    }
    resources
}

fn resource(object: &Value) -> Resource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (ready, message) = readiness(object);
    Resource {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        ready,
        message,
    }
}

fn readiness(object: &Value) -> (bool, String) {
    let (spec, status) = (&object["spec"], &object["status"]);
    if object["metadata"]["deletionTimestamp"].is_string() {
        return (false, "it is being deleted".to_owned());
    }
    let seen = status["observedGeneration"].as_u64();
    if seen.zip(object["metadata"]["generation"].as_u64()).is_some_and(|(seen, wanted)| seen < wanted) {
        return (false, "its controller has not seen the change yet".to_owned());
    }
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    let of = |now: u64, wanted: u64, word: &str| (now >= wanted, format!("{now} of {wanted} {word}"));
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => of(count("updatedReplicas").min(count("availableReplicas")), wanted, "available"),
        "StatefulSet" => of(count("updatedReplicas").min(count("readyReplicas")), wanted, "ready"),
        "ReplicaSet" | "ReplicationController" => of(count("readyReplicas"), wanted, "ready"),
        "DaemonSet" => {
            let wanted = count("desiredNumberScheduled");
            of(count("updatedNumberScheduled").min(count("numberAvailable")), wanted, "available")
        }
        "Pod" if status["phase"] == "Succeeded" => (true, "Succeeded".to_owned()),
        "Pod" => condition(status, "Ready").unwrap_or_else(|| (false, phase(status))),
        "Job" => match condition(status, "Failed") {
            Some((true, why)) => (false, format!("failed: {why}")),
            _ => condition(status, "Complete").unwrap_or_else(|| (false, "it runs".to_owned())),
        },
        "PersistentVolumeClaim" => (status["phase"] == "Bound", phase(status)),
        "Service" if spec["type"] == "LoadBalancer" => {
            let has_address = status["loadBalancer"]["ingress"].as_array().is_some_and(|list| !list.is_empty());
            let message = if has_address { "it has an address" } else { "it has no address yet" };
            (has_address, message.to_owned())
        }
        "CustomResourceDefinition" => {
            condition(status, "Established").unwrap_or_else(|| (false, "it is not established yet".to_owned()))
        }
        // Much that is not Kubernetes' own says it so.
        _ => condition(status, "Ready")
            .or_else(|| condition(status, "Available"))
            .unwrap_or_else(|| (true, String::new())),
    }
}

/// Whether a condition holds, and what it says.
fn condition(status: &Value, name: &str) -> Option<(bool, String)> {
    let conditions = status["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == name)?;
    let said = condition["message"].as_str().filter(|text| !text.is_empty()).or(condition["reason"].as_str());
    Some((condition["status"] == "True", said.unwrap_or_default().to_owned()))
}

fn phase(status: &Value) -> String {
    status["phase"].as_str().unwrap_or("Unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_by_its_own_rule() {
        let replicas = |kind: &str, status: Value| json!({ "kind": kind, "spec": { "replicas": 2 }, "status": status });
        let condition = |kind: &str, name: &str, status: &str| json!({ "kind": kind, "status": { "conditions": [{ "type": name, "status": status, "message": "m" }] } });
        for (ready, object) in [
            (true, replicas("Deployment", json!({ "updatedReplicas": 2, "availableReplicas": 2 }))),
            (false, replicas("Deployment", json!({ "updatedReplicas": 1, "availableReplicas": 2 }))),
            (false, replicas("StatefulSet", json!({}))),
            (true, json!({ "kind": "DaemonSet", "status": { "desiredNumberScheduled": 0 } })),
            (false, json!({ "kind": "DaemonSet", "status": { "desiredNumberScheduled": 1 } })),
            (true, condition("Pod", "Ready", "True")),
            (false, condition("Pod", "Ready", "False")),
            (true, json!({ "kind": "Pod", "status": { "phase": "Succeeded" } })),
            (true, condition("Job", "Complete", "True")),
            (false, condition("Job", "Failed", "True")),
            (false, json!({ "kind": "Job" })),
            (false, json!({ "kind": "PersistentVolumeClaim", "status": { "phase": "Pending" } })),
            (true, json!({ "kind": "Service", "spec": { "type": "ClusterIP" } })),
            (false, json!({ "kind": "Service", "spec": { "type": "LoadBalancer" } })),
            (false, condition("Certificate", "Ready", "False")),
            (true, json!({ "kind": "ConfigMap" })),
            (false, json!({ "kind": "ConfigMap", "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } })),
            (
                false,
                json!({ "kind": "Widget", "metadata": { "generation": 2 }, "status": { "observedGeneration": 1 } }),
            ),
        ] {
            assert_eq!(readiness(&object).0, ready, "{object}");
        }
        let one = replicas("Deployment", json!({ "updatedReplicas": 2, "availableReplicas": 1 }));
        assert_eq!(readiness(&one).1, "1 of 2 available");
    }

    #[test]
    fn what_should_be_there_and_is_not_is_not_ready() {
        let document: Document = serde_json::from_value(json!({
            "manifest": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
            "info": { "resources": {
                "v1/ConfigMap": [{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "n" } }],
                "v1/Pod(related)": [{ "kind": "PodList", "items": [] }],
            } },
        }))
        .unwrap();
        let found: Vec<_> = resources(&document).into_iter().map(|one| (one.name, one.ready)).collect();
        assert_eq!(found, [("a".to_owned(), true), ("b".to_owned(), false)]);
    }
}
