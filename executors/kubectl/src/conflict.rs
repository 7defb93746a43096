//! Fields that belong to somebody else, as the API server reports them when it refuses a server-side apply.

use serde::Serialize;

use crate::live::Look;
use crate::object::Identity;

/// A field that another manager owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Kubectl's word for the kind of the object. Kubectl does not say which object it is: this and the next two are
    /// what fits, and missing if nothing does.
    pub resource: Option<String>,
    /// Where the object is.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// The path of the field, for example `.spec.replicas`.
    pub field: String,
    /// Who owns it.
    pub manager: String,
}

/// What stands before a message about one object (kubectl 1.33, API server 1.33).
const FAILED: &str = "Apply failed with ";
/// What kubectl puts behind it.
const ADVICE: &str = "Please review the fields above";

/// All conflicts in what kubectl said. `refused` are the objects that were not applied, in kubectl's order; each message
/// is about the next of them that has these managers. From behind, because the beginning may be cut off.
pub(crate) fn conflicts(stderr: &str, refused: &[Identity], before: &Look) -> Vec<Conflict> {
    let messages: Vec<_> = stderr.split(FAILED).skip(1).map(fields).collect();
    let mut candidates = refused.iter().rev();
    let mut found = Vec::new();
    for fields in messages.iter().rev() {
        let managers: Vec<_> = fields.iter().map(|(manager, _)| manager.as_str()).collect();
        let object = candidates.by_ref().find_map(|object| before.owned_by(object, &managers));
        found.push(fields.iter().map(move |(manager, field)| Conflict {
            resource: object.map(|object| object.resource.clone()),
            namespace: object.and_then(|object| object.namespace.clone()),
            name: object.map(|object| object.name.clone()),
            field: field.clone(),
            manager: manager.clone(),
        }));
    }
    found.into_iter().rev().flatten().collect()
}

/// Managers and fields of one message: `1 conflict: conflict with "a" using v1: .data.x`, or `2 conflicts: conflicts
/// with "a":` with a line `- .data.x` per field, and so on with the next manager.
fn fields(message: &str) -> Vec<(String, String)> {
    let message = message.split(ADVICE).next().unwrap_or(message);
    let mut found = Vec::new();
    let mut manager = None;
    for line in message.lines() {
        if let Some(field) = line.strip_prefix("- ") {
            found.extend(manager.clone().map(|manager| (manager, field.to_owned())));
        } else if let Some((_, rest)) = line.split_once("conflict with \"") {
            let field = rest.split_once(": ").map(|(_, field)| field.to_owned());
            found.extend(quoted(rest).zip(field));
        } else if let Some((_, rest)) = line.split_once("conflicts with \"") {
            manager = quoted(rest);
        }
    }
    found
}

/// The text up to the quote that ends it.
fn quoted(text: &str) -> Option<String> {
    text.split_once('"').map(|(name, _)| name.to_owned())
}

/// For a person.
pub(crate) fn explain(conflicts: &[Conflict]) -> String {
    let line = |conflict: &Conflict| {
        let object = conflict.resource.iter().zip(&conflict.name).map(|(kind, name)| format!("{kind}/{name} ")).next();
        format!("{}{} belongs to {:?}", object.unwrap_or_default(), conflict.field, conflict.manager)
    };
    let mut lines: Vec<_> = conflicts.iter().take(MOST_LINES).map(line).collect();
    if conflicts.len() > MOST_LINES {
        lines.push(format!("and {} more", conflicts.len() - MOST_LINES));
    }
    lines.push("leave these fields out of the manifests, or take them over with `force_conflicts`".to_owned());
    lines.join("\n")
}

const MOST_LINES: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAID: &str = "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1 at \
                        2026-11-24T15:39:13Z: .spec.replicas\nPlease review the fields above--they\n* If\n\
                        error: Apply failed with 3 conflicts: conflicts with \"a\":\n- .data.x\n- .data.y\n\
                        conflicts with \"b\" with subresource \"scale\" using v1:\n\
                        - .spec.containers[name=\"c\"].image\nPlease review the fields above--they\n";

    fn identity(name: &str) -> Identity {
        Identity { resource: "configmap".to_owned(), namespace: Some("team".to_owned()), name: name.to_owned() }
    }

    fn live(name: &str, managers: &[&str]) -> serde_json::Value {
        let managers: Vec<_> = managers.iter().map(|manager| json!({ "manager": manager })).collect();
        json!({ "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": name, "namespace": "team", "managedFields": managers } })
    }

    #[test]
    fn each_field_is_reported_with_its_manager_and_object() {
        let before = Look::new(
            vec![live("one", &["kubectl-client-side-apply"]), live("two", &["c"]), live("three", &["a", "b"])],
            true,
        );
        let found = conflicts(SAID, &[identity("one"), identity("two"), identity("three")], &before);
        let found: Vec<_> =
            found.iter().map(|c| (c.name.as_deref().unwrap(), c.field.as_str(), c.manager.as_str())).collect();
        assert_eq!(
            found,
            [
                ("one", ".spec.replicas", "kubectl-client-side-apply"),
                ("three", ".data.x", "a"),
                ("three", ".data.y", "a"),
                ("three", ".spec.containers[name=\"c\"].image", "b"),
            ]
        );
    }

    #[test]
    fn a_conflict_of_an_unknown_object_is_reported_too() {
        let found = conflicts(SAID, &[], &Look::default());
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].name, None);
        let text = explain(&found);
        assert!(text.starts_with(".spec.replicas belongs to \"kubectl-client-side-apply\"\n.data.x"), "{text}");
        assert!(conflicts("rubbish Apply failed with \"", &[], &Look::default()).is_empty());
    }
}
