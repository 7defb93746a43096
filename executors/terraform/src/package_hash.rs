//! Terraform's own hash of a provider's package, as lock files have it: `h1:`, over all that is in its folder.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::files::sha256;

/// The hash of the package in a folder.
pub(crate) fn package_hash(package: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    gather(package, "", &mut files)?;
    files.sort();
    let mut lines = String::new();
    for name in files {
        // No package has a name with a line break, which would look like another file here.
        lines += &format!("{}  {}\n", sha256(&package.join(&name))?, name.replace('\n', "\\n"));
    }
    Ok(format!("h1:{}", BASE64_STANDARD.encode(Sha256::digest(lines))))
}

/// The names of all files in a folder, with those of the folders that they are in: sorted as texts, not as paths.
fn gather(folder: &Path, above: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
