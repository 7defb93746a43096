//! What a stack itself says of its backend: nothing of it counts, and that is said.

use std::fs;
use std::path::Path;

use executor_api::ExecutorError;
use hcl::Body;
use serde::Deserialize;
use serde_json::Value;

use crate::files;

/// The file that replaces whatever backend the stack names. Terraform takes override files in the order of their names,
/// and the last one counts.
pub(crate) const OVERRIDE: &str = "~alethia_override.tf.json";

/// What `init` writes down of the backend that it took.
#[derive(Deserialize)]
pub(crate) struct Taken {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) config: Value,
}

#[derive(Deserialize)]
struct Written {
    backend: Taken,
}

/// Which backend `init` took.
pub(crate) fn taken(dir: &Path) -> Result<Taken, ExecutorError> {
    let failed = "cannot read which backend init took";
    let bytes = fs::read(dir.join(".terraform/terraform.tfstate")).map_err(ExecutorError::io(failed))?;
    let written: Written =
        serde_json::from_slice(&bytes).map_err(|error| ExecutorError::Other(format!("{failed}: {error}")))?;
    Ok(written.backend)
}

/// The backends that the stack's own files name, each with its file. A file that cannot be read is left to terraform.
pub(crate) fn named(dir: &Path) -> Vec<String> {
    let of_file = |file: String| {
        let text = fs::read_to_string(dir.join(&file)).unwrap_or_default();
        // Most files name none, and need not be understood.
        let may_name = text.contains("backend") || text.contains("cloud");
        let found = match (may_name, file.ends_with(".json")) {
            (true, true) => in_json(&text),
            (true, false) => in_text(&text),
            (false, _) => vec![],
        };
        found.into_iter().map(move |backend| format!("{backend} in {file}"))
    };
    own_files(dir).into_iter().flat_map(of_file).collect()
}

/// The stack's own override files.
pub(crate) fn overrides(dir: &Path) -> Vec<String> {
    let is_override = |file: &String| {
        let name = file.trim_end_matches(".json").rsplit_once('.').map_or("", |(name, _)| name);
        name == "override" || name.ends_with("_override")
    };
    own_files(dir).into_iter().filter(is_override).collect()
}

fn own_files(dir: &Path) -> Vec<String> {
    let mut files = files::of_stack(dir).unwrap_or_default();
    files.retain(|file| file != OVERRIDE);
    files
}

fn in_text(text: &str) -> Vec<String> {
    let body: Body = hcl::parse(text).unwrap_or_default();
    let settings = body.blocks().filter(|block| block.identifier() == "terraform");
    let blocks = settings.flat_map(|block| block.body().blocks());
    let named = blocks.filter_map(|block| match block.identifier() {
        "backend" => Some(block.labels().first()?.as_str().to_owned()),
        "cloud" => Some("cloud".to_owned()),
        _ => None,
    });
    named.collect()
}

/// A block is an object there, or a list of them.
fn in_json(text: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let settings = objects(&document["terraform"]);
    let named = settings.flat_map(|block| {
        let backends = block.get("backend").into_iter().flat_map(objects);
        let names = backends.flat_map(|backends| backends.keys().cloned());
        names.chain(block.get("cloud").map(|_| "cloud".to_owned()))
    });
    named.collect()
}

fn objects(value: &Value) -> impl Iterator<Item = &serde_json::Map<String, Value>> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_found_in_either_language_and_not_in_comments() {
        let stack = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("a.tf", "# backend \"gcs\" {}\nterraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n"),
            ("b.tf.json", r#"{ "terraform": [{ "backend": { "azurerm": {} } }] }"#),
            ("backend_override.tf", "terraform { \n cloud {}\n}"),
            ("broken.tf", "terraform { backend"),
            ("override.tf.json", r#"{ "terraform": { "backend": { "local": {} } } }"#),
            ("readme.md", "terraform {\n  backend \"consul\" {}\n}"),
            (OVERRIDE, r#"{ "terraform": { "backend": { "http": {} } } }"#),
        ] {
            fs::write(stack.path().join(file), text).unwrap();
        }
        let expected =
            ["s3 in a.tf", "azurerm in b.tf.json", "cloud in backend_override.tf", "local in override.tf.json"];
        assert_eq!(named(stack.path()), expected);
        assert_eq!(overrides(stack.path()), ["backend_override.tf", "override.tf.json"]);
    }
}
