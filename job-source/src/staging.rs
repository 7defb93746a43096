//! A folder in the making: written beside its destination, and moved there when all of it is there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

/// Why a file or folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StagingError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// An archive has no more entries, and nothing has more folders: one name may make 64 of them.
pub(crate) const MOST_ENTRIES: usize = 50_000;

pub(crate) struct Staging {
    folder: TempDir,
    seen: BTreeSet<String>,
    folders: usize,
}

impl Staging {
    pub(crate) fn beside(dest: &Path) -> io::Result<Self> {
        // On the same file system, so that the rename is one step.
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix(".unpacking").permissions(Permissions::from_mode(0o700));
        let folder = folder.tempdir_in(dest.parent().unwrap_or(dest))?;
        Ok(Self { folder, seen: BTreeSet::new(), folders: 0 })
    }

    /// Makes a folder and those above it. Only what we made ourselves is walked through: there are no links here.
    pub(crate) fn make_folder(&mut self, path: &Path) -> Result<(), StagingError> {
        let mut dir = self.folder.path().to_owned();
        for part in path {
            dir.push(part);
            match new_dir(&dir) {
                Ok(()) => self.folders += 1,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(file_and_folder(path)),
                Err(error) => return Err(error.into()),
            }
            if self.folders > MOST_ENTRIES {
                return Err(StagingError::Refused(format!("it has more than {MOST_ENTRIES} folders")));
            }
        }
        Ok(())
    }

    /// Makes an empty file and the folders above it. `path` has been checked.
    pub(crate) fn make_file(&mut self, path: &Path, is_program: bool) -> Result<File, StagingError> {
        if !self.seen.insert(path.to_string_lossy().to_lowercase()) {
            let taken = format!("{:?} is there twice, perhaps in upper and lower case", path.display());
            return Err(StagingError::Refused(taken));
        }
        self.make_folder(path.parent().unwrap_or(Path::new("")))?;
        let mode = if is_program { 0o700 } else { 0o600 };
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(self.folder.path().join(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(file_and_folder(path)),
            other => Ok(other?),
        }
    }

    /// Puts all of it in the place of `dest`, an empty folder.
    pub(crate) fn move_to(self, dest: &Path) -> io::Result<()> {
        fs::rename(self.folder.path(), dest)?;
        // It has its place, and no longer the name that would be cleaned up.
        let _ = self.folder.keep();
        Ok(())
    }
}

fn file_and_folder(path: &Path) -> StagingError {
    StagingError::Refused(format!("{:?} is a file and a folder", path.display()))
}

fn new_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dest = folder.path().join("dest");
        fs::create_dir(&dest).unwrap();
        let mut staging = Staging::beside(&dest).unwrap();
        staging.make_file(Path::new("a/file"), false).unwrap();
        staging.move_to(&dest).unwrap();
        for made in [&dest, &dest.join("a")] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn folders_are_counted_as_they_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut staging = Staging::beside(&folder.path().join("dest")).unwrap();
        staging.folders = MOST_ENTRIES - 3;
        staging.make_folder(Path::new("a/b")).unwrap();
        staging.make_folder(Path::new("a/b")).unwrap();
        staging.make_file(Path::new("a/b/c/file"), false).unwrap();
        let refused = staging.make_file(Path::new("a/d/file"), false).unwrap_err().to_string();
        assert_eq!(refused, "it has more than 50000 folders");
    }
}
