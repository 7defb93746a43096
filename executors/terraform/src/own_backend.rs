//! What a stack itself says of its backend: nothing of it counts.

use std::fs;
use std::path::Path;

use executor_api::ExecutorError;
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

/// The stack's own override files.
pub(crate) fn overrides(dir: &Path) -> Vec<String> {
    let mut files = files::of_stack(dir).unwrap_or_default();
    files.retain(|file| {
        let name = file.trim_end_matches(".json").rsplit_once('.').map_or("", |(name, _)| name);
        file != OVERRIDE && (name == "override" || name.ends_with("_override"))
    });
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stacks_override_files_are_those_of_either_language_and_not_ours() {
        let stack = tempfile::tempdir().unwrap();
        let own = ["a_override.tofu", "backend_override.tf", "override.tf.json"];
        for file in own.into_iter().chain([OVERRIDE, "main.tf", "my-override.tf", "override.md"]) {
            fs::write(stack.path().join(file), "").unwrap();
        }
        assert_eq!(overrides(stack.path()), own);
    }
}
