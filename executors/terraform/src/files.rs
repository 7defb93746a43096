//! Files for the program: private to the job, and with values that are never expressions.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use executor_api::ExecutorError;
use sha2::{Digest, Sha256};

pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// A string of terraform's language.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace("${", "$${").replace("%{", "%%{")
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn digest(file: &Path) -> Result<String, ExecutorError> {
    let bytes = fs::read(file).map_err(ExecutorError::io("cannot read the plan"))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}
