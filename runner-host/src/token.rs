//! Tokens as people keep them: in a file of their own, or in a variable.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;

/// A token, if it can be one.
///
/// # Errors
/// What is wrong, to stand after its name.
pub fn checked(token: &str) -> Result<SecretString, String> {
    if token.is_empty() {
        return Err("is empty".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds blanks, line ends or other characters that no token has".to_owned());
    }
    Ok(SecretString::from(token.to_owned()))
}

/// The token in a file that only its owner may read.
///
/// # Errors
/// What is wrong, to stand after the file's name.
pub fn in_file(file: &Path) -> Result<SecretString, String> {
    let metadata = std::fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
    check_owner(&metadata)?;
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    checked(text.strip_suffix('\n').unwrap_or(&text))
}

fn check_owner(metadata: &Metadata) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("can be read by others (mode {:03o}); run chmod 600 on it", metadata.mode() & 0o777));
    }
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err("belongs to another user".to_owned());
    }
    Ok(())
}
