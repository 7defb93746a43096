//! Files of the program: ours, private to the job and with values that are never expressions, and the stack's.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use executor_api::ExecutorError;
use sha2::{Digest, Sha256};

pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// The names of a stack's files, in their order. Those of modules, in folders, are not among them.
pub(crate) fn of_stack(dir: &Path) -> io::Result<Vec<String>> {
    let is_stack = |name: &String| [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end));
    let entries = fs::read_dir(dir)?.filter_map(Result::ok);
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_stack).collect();
    names.sort();
    Ok(names)
}

/// A string of terraform's language.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace("${", "$${").replace("%{", "%%{")
}

/// The SHA-256 of a plan or of what belongs to it, in hexadecimal digits.
pub(crate) fn digest(file: &Path) -> Result<String, ExecutorError> {
    sha256(file).map_err(ExecutorError::io("cannot read the plan"))
}

/// The SHA-256 of a file of any size, in hexadecimal digits.
pub(crate) fn sha256(file: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (fs::File::open(file)?, Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}
