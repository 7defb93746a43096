//! Files that stand in the payload.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use executor_api::ExecutorError;

use crate::name;

const MOST_FILES: usize = 1000;

pub(crate) fn check(files: &BTreeMap<String, String>, pointer: &str) -> Result<(), ExecutorError> {
    if files.is_empty() || files.len() > MOST_FILES {
        return Err(ExecutorError::invalid(
            pointer,
            format!("give 1 to {MOST_FILES} files; upload an archive for more"),
        ));
    }
    let mut seen = BTreeSet::new();
    for file in files.keys() {
        let at = format!("{pointer}/{}", file.replace('~', "~0").replace('/', "~1"));
        let path = name::check(file).map_err(|why| ExecutorError::invalid(&at, why))?;
        if !seen.insert(path.to_string_lossy().to_lowercase()) {
            return Err(ExecutorError::invalid(&at, "another file has the same name but for upper and lower case"));
        }
    }
    Ok(())
}

/// Writes files that were checked.
pub(crate) fn write(files: &BTreeMap<String, String>, dest: &Path) -> Result<(), ExecutorError> {
    for (file, text) in files {
        let path = name::check(file).map_err(ExecutorError::Other)?;
        let path = dest.join(path);
        let failed = |path: &Path| ExecutorError::io(format!("cannot write {}", path.display()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}
