//! A new file for a secret, made before there is the secret: one that cannot be kept would be lost.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Readable by its owner only. Gone again unless something is written to it.
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl NewFile {
    pub(crate) fn make(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("cannot make the file {}; it must not exist yet", path.display()))?;
        Ok(Self { path: path.to_owned(), file, is_written: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        // Half of it is kept, too: it is all there is.
        self.is_written = true;
        let written = self.file.write_all(text.as_ref()).and_then(|()| self.file.sync_all());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_written {
            // It was made for nothing; that it stays harms nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
