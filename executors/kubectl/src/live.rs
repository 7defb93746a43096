//! Objects as they are in the cluster, looked at before and after an apply: server-side apply itself does not say what
//! it changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::{Change, Identity, ObjectChange};

/// As whom we own fields.
pub(crate) const MANAGER: &str = "alethia";

/// What a look at the cluster found. Empty where nobody could look.
#[derive(Clone, Default)]
pub struct Look {
    /// False if the user may not look, or if a kind does not exist yet.
    pub(crate) is_whole: bool,
    objects: BTreeMap<Identity, Value>,
}

impl Look {
    pub(crate) fn new(objects: Vec<Value>, is_whole: bool) -> Self {
        let objects = objects.into_iter().filter_map(|object| Some((Identity::of(&object)?, object)));
        Self { is_whole, objects: objects.collect() }
    }

    /// The object that kubectl calls `resource/name`, in this namespace if several are called so.
    pub(crate) fn find(&self, resource: &str, name: &str, namespace: Option<&str>) -> Option<(&Identity, &Value)> {
        let named = || self.objects.iter().filter(|(identity, _)| identity.is_named(resource, name));
        named().find(|(identity, _)| identity.namespace.as_deref() == namespace).or_else(|| named().next())
    }

    /// What has happened between two looks to the objects that are there now.
    pub(crate) fn changes_to(&self, after: &Self) -> Vec<ObjectChange> {
        let changed = |identity: &Identity| identity.clone().changed(self.change_to(after, identity));
        after.objects.keys().map(changed).collect()
    }

    /// What has happened to an object that was applied.
    pub(crate) fn change_to(&self, after: &Self, identity: &Identity) -> Change {
        match (self.objects.get(identity), after.objects.get(identity)) {
            (Some(before), Some(after)) if is_same(before, after) => Change::Unchanged,
            (Some(_), Some(_)) => Change::Configured,
            (None, Some(_)) if self.is_whole => Change::Created,
            _ => Change::Applied,
        }
    }

    /// The object as it is there, if all of these own fields of it.
    pub(crate) fn owned_by(&self, object: &Identity, managers: &[&str]) -> Option<&Identity> {
        let (identity, object) = self.find(&object.resource, &object.name, object.namespace.as_deref())?;
        let entries = object["metadata"]["managedFields"].as_array()?;
        let owns = |manager: &&str| entries.iter().any(|entry| entry["manager"] == **manager);
        managers.iter().all(owns).then_some(identity)
    }
}

/// A new object of the same name is another one. Its status, and what follows from it, is no news.
fn is_same(before: &Value, after: &Value) -> bool {
    before["metadata"]["uid"] == after["metadata"]["uid"] && substance(before) == substance(after)
}

fn substance(object: &Value) -> Map<String, Value> {
    let mut object = object.as_object().cloned().unwrap_or_default();
    object.remove("status");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            entries.retain(|entry| entry["manager"] == MANAGER && entry["operation"] == "Apply");
            entries.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, data: &str, version: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": data }, "status": { "seen": version },
                "metadata": { "name": "a", "namespace": "team", "uid": uid, "resourceVersion": version, "managedFields": [
                    { "manager": MANAGER, "operation": "Apply", "time": version, "fieldsV1": {} },
                    { "manager": "controller", "operation": "Update", "fieldsV1": { "f:status": version } }] } })
    }

    fn change(before: &[Value], is_whole: bool) -> Change {
        let after = Look::new(vec![object("1", "x", "7")], true);
        let changes = Look::new(before.to_vec(), is_whole).changes_to(&after);
        assert_eq!(changes.len(), 1);
        changes[0].change
    }

    #[test]
    fn what_an_apply_did_shows_between_two_looks() {
        assert_eq!(change(&[object("1", "x", "5")], true), Change::Unchanged);
        assert_eq!(change(&[object("1", "y", "5")], true), Change::Configured);
        assert_eq!(change(&[object("2", "x", "5")], true), Change::Configured);
        assert_eq!(change(&[], true), Change::Created);
        assert_eq!(change(&[], false), Change::Applied);
    }
}
