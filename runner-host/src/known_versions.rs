//! What tools said their versions were: asking terraform takes longer than all else that a start does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use semver::Version;
use serde::{Deserialize, Serialize};

/// Versions by program. A program that was changed in any way is asked again.
#[derive(Debug, Default)]
pub(crate) struct KnownVersions {
    file: Option<PathBuf>,
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    version: Version,
}

/// Which file a program was when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl KnownVersions {
    /// Of this file; empty if it is not there or makes no sense, as that costs a question.
    pub(crate) fn open(file: PathBuf) -> Self {
        let known = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file: Some(file), known: Mutex::new(known.unwrap_or_default()) }
    }

    pub(crate) fn get(&self, program: &Path) -> Option<Version> {
        let stamp = Stamp::of(program)?;
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(program).filter(|known| known.stamp == stamp).map(|known| known.version.clone())
    }

    pub(crate) fn put(&self, program: &Path, version: &Version) {
        let Some(stamp) = Stamp::of(program) else { return };
        let known = Known { stamp, version: version.clone() };
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(program.to_owned(), known);
    }

    /// Keeps them for the next start. If that does not work, the next start asks again.
    pub(crate) fn save(&self) {
        let Some(file) = &self.file else { return };
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let saved = serde_json::to_vec(&*known).map_err(std::io::Error::other).and_then(|bytes| fs::write(file, bytes));
        if let Err(error) = saved {
            tracing::warn!(error = crate::chain(&error), "cannot keep the versions of tools");
        }
    }
}

impl Stamp {
    /// None for a script: what it starts may change while it stays the same.
    fn of(program: &Path) -> Option<Self> {
        let mut first = [0; 2];
        File::open(program).ok()?.read_exact(&mut first).ok()?;
        if &first == b"#!" {
            return None;
        }
        let metadata = fs::metadata(program).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_changed_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (tool, file) = (folder.path().join("tool"), folder.path().join("tools.json"));
        let version = Version::new(1, 2, 3);
        fs::write(&tool, "\x7fELF one").unwrap();
        let known = KnownVersions::open(file.clone());
        assert_eq!(known.get(&tool), None);
        known.put(&tool, &version);
        known.save();

        let known = KnownVersions::open(file.clone());
        assert_eq!(known.get(&tool), Some(version.clone()));
        fs::remove_file(&tool).unwrap();
        assert_eq!(known.get(&tool), None);
        fs::write(&tool, "\x7fELF other").unwrap();
        assert_eq!(known.get(&tool), None);

        fs::write(&file, "no json").unwrap();
        assert_eq!(KnownVersions::open(file).get(&tool), None);
    }

    #[test]
    fn a_script_is_always_asked() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        fs::write(&tool, "#!/bin/sh\nexec other-tool \"$@\"\n").unwrap();
        let known = KnownVersions::default();
        known.put(&tool, &Version::new(1, 2, 3));
        assert_eq!(known.get(&tool), None);
    }
}
