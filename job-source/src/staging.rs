//! A folder in the making: written beside its destination, and moved there when all of it is there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Why a file or folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StagingError {
    #[error("{0}")]
    Taken(String),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

pub(crate) struct Staging {
    folder: TempDir,
    seen: BTreeSet<String>,
}

impl Staging {
    pub(crate) fn beside(dest: &Path) -> io::Result<Self> {
        // On the same file system, so that the rename is one step.
        let folder = tempfile::Builder::new().prefix(".unpacking").tempdir_in(dest.parent().unwrap_or(dest))?;
        let staging = Self { folder, seen: BTreeSet::new() };
        new_dir(&staging.files())?;
        Ok(staging)
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Makes a folder and those above it. Only what we made ourselves is walked through: there are no links here.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<(), StagingError> {
        let mut dir = self.files();
        for part in path {
            dir.push(part);
            match new_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(file_and_folder(path)),
                other => other?,
            }
        }
        Ok(())
    }

    /// Makes an empty file and the folders above it. `path` has been checked.
    pub(crate) fn make_file(&mut self, path: &Path, is_program: bool) -> Result<File, StagingError> {
        if !self.seen.insert(path.to_string_lossy().to_lowercase()) {
            let taken = format!("{:?} is there twice, perhaps in upper and lower case", path.display());
            return Err(StagingError::Taken(taken));
        }
        self.make_folder(path.parent().unwrap_or(Path::new("")))?;
        let mode = if is_program { 0o700 } else { 0o600 };
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(self.files().join(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(file_and_folder(path)),
            other => Ok(other?),
        }
    }

    /// Puts all of it in the place of `dest`, an empty folder.
    pub(crate) fn move_to(self, dest: &Path) -> io::Result<()> {
        fs::remove_dir(dest)?;
        fs::rename(self.files(), dest)
    }
}

fn file_and_folder(path: &Path) -> StagingError {
    StagingError::Taken(format!("{:?} is a file and a folder", path.display()))
}

fn new_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(dir)
}
