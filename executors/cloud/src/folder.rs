//! The job's folder for credentials: files that are there whole or not at all, for their owner only.

use std::io::{self, Write};
use std::path::Path;

use executor_api::ExecutorError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a file of the folder in one step: a tool that reads at this moment gets the old one or the new one.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ExecutorError> {
    // A temporary file has mode 0600.
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(folder.join(name)).map_err(|error| error.error)
    });
    written.map(drop).map_err(ExecutorError::io(format!("cannot write the credential file {name}")))
}

/// Writes a document.
pub(crate) fn write_json(folder: &Path, name: &str, document: &impl Serialize) -> Result<(), ExecutorError> {
    let text = serde_json::to_vec(document).map_err(|error| ExecutorError::Other(error.to_string()))?;
    write(folder, name, &text)
}

/// Reads a document.
pub(crate) fn read_json<T: DeserializeOwned>(file: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}
