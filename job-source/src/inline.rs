//! Files that stand in the payload.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use executor_api::{ExecutorError, pointer_to};

use crate::name;
use crate::staging::{Staging, StagingError};

const MOST_FILES: usize = 1000;

pub(crate) fn check(files: &BTreeMap<String, String>, pointer: &str) -> Result<(), ExecutorError> {
    if files.is_empty() || files.len() > MOST_FILES {
        return Err(ExecutorError::invalid(
            pointer,
            format!("give 1 to {MOST_FILES} files; upload an archive for more"),
        ));
    }
    for file in files.keys() {
        name::check(file).map_err(|why| ExecutorError::invalid(&pointer_to(pointer, file), why))?;
    }
    Ok(())
}

/// Writes files that were checked: all of them or none.
pub(crate) fn write(files: &BTreeMap<String, String>, dest: &Path, pointer: &str) -> Result<(), ExecutorError> {
    let failed = || ExecutorError::io("cannot write the files of the payload");
    let mut staging = Staging::beside(dest).map_err(failed())?;
    for (file, text) in files {
        let path = name::check(file).map_err(ExecutorError::Other)?;
        let made = staging.make_file(&path, false).and_then(|mut made| Ok(made.write_all(text.as_bytes())?));
        made.map_err(|error| match error {
            StagingError::Refused(why) => ExecutorError::invalid(&pointer_to(pointer, file), why),
            StagingError::Disk(error) => failed()(error),
        })?;
    }
    staging.move_to(dest).map_err(failed())
}
