//! Manifests as trees: read to see what is in them. Kubectl reads the text itself.

use serde_json::Value;

/// Those of a large operator have some megabytes; aliases cannot make more of them than this.
const MOST_NODES: usize = 5_000_000;

/// All objects of a text of YAML, those in lists too. No error quotes the text: it may hold secrets.
pub(crate) fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let budget = serde_saphyr::budget! {
        max_nodes: MOST_NODES,
        max_events: MOST_NODES,
        max_documents: 10_000,
    };
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: budget,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        format!("this is not YAML{}", place.unwrap_or_default())
    })?;
    objects(documents)
}

/// As [`yaml`], of a text of JSON: one document after the other.
pub(crate) fn json(text: &str) -> Result<Vec<Value>, String> {
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let documents =
        documents.map_err(|error| format!("this is not JSON (line {}, column {})", error.line(), error.column()))?;
    objects(documents)
}

fn objects(documents: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for mut document in documents {
        if document.is_null() {
            continue;
        }
        if !document.is_object() {
            return Err("a manifest is an object with apiVersion, kind and metadata".to_owned());
        }
        let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if is_list => {
                objects.extend(items.into_iter().map(|item| named(item, &document)));
            }
            Some(items) => {
                document["items"] = items;
                objects.push(document);
            }
            None => objects.push(document),
        }
    }
    let kustomize = |object: &Value| object["apiVersion"].as_str().is_some_and(|v| v.starts_with("kustomize.config."));
    if objects.iter().any(kustomize) {
        return Err("a kustomization is not built here; give what `kubectl kustomize` makes of it".to_owned());
    }
    Ok(objects)
}

/// An item of a `SecretList` need not say that it is a Secret.
fn named(mut item: Value, list: &Value) -> Value {
    let kind = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
    if let (Some(fields), Some(kind)) = (item.as_object_mut(), kind) {
        fields.entry("kind").or_insert_with(|| kind.into());
        fields.entry("apiVersion").or_insert_with(|| list["apiVersion"].clone());
    }
    item
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_found_in_documents_and_lists() {
        let text = "# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {1: x, true: y, 1.5: z}\n\
                    ---\n---\nkind: List\nitems:\n- kind: Secret\n- kind: Role\n---\nkind: Odd\nitems: [1]\n\
                    ---\nkind: SecretList\napiVersion: v1\nitems: [{data: {a: b}}]\n";
        let kinds: Vec<_> = yaml(text).unwrap().iter().map(|object| object["kind"].clone()).collect();
        assert_eq!(kinds, ["ConfigMap", "Secret", "Role", "Odd", "Secret"]);
        assert_eq!(
            json("{\"kind\":\"A\"}\n{\"kind\":\"B\"}").unwrap(),
            [json!({ "kind": "A" }), json!({ "kind": "B" })]
        );
        assert_eq!(yaml("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_being_quoted() {
        for text in ["a: [", "- a", "do-not-quote-me", "a: b\n\tc: d", "a: \u{0}", "kind: \"do-not-quote-me"] {
            let error = yaml(text).unwrap_err();
            assert!(!error.contains("do-not-quote-me"), "{error}");
        }
        assert!(yaml("a: [").unwrap_err().starts_with("this is not YAML (line "));
        assert!(json("{\"a\":").unwrap_err().starts_with("this is not JSON (line 1, column "));
        let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        assert!(yaml(kustomization).unwrap_err().contains("kubectl kustomize"));
    }
}
