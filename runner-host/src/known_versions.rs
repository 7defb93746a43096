//! What tools said their versions were: asking terraform takes longer than all else that a start does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Which file a program is; taken before it is asked, so that an upgrade meanwhile is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
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

    /// None if it was never asked, or is not the file that was asked.
    pub(crate) fn get(&self, program: &Path, stamp: Option<&Stamp>) -> Option<Version> {
        let known = self.lock();
        known.get(program).filter(|known| Some(&known.stamp) == stamp).map(|known| known.version.clone())
    }

    /// Keeps it, also for the next start. If that does not work, the next start asks again.
    pub(crate) fn put(&self, program: &Path, stamp: Option<Stamp>, version: &Version) {
        let Some(stamp) = stamp else { return };
        let mut known = self.lock();
        known.insert(program.to_owned(), Known { stamp, version: version.clone() });
        let Some(file) = &self.file else { return };
        let saved = serde_json::to_vec(&*known).map_err(std::io::Error::other).and_then(|bytes| fs::write(file, bytes));
        if let Err(error) = saved {
            tracing::warn!(error = crate::chain(&error), "cannot keep the versions of tools");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamp {
    /// None for a script: what it starts may change while it stays the same.
    pub(crate) fn of(program: &Path) -> Option<Self> {
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

    fn get(known: &KnownVersions, tool: &Path) -> Option<Version> {
        known.get(tool, Stamp::of(tool).as_ref())
    }

    #[test]
    fn a_program_that_was_changed_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (tool, file) = (folder.path().join("tool"), folder.path().join("tools.json"));
        let version = Version::new(1, 2, 3);
        fs::write(&tool, "\x7fELF one").unwrap();
        let known = KnownVersions::open(file.clone());
        assert_eq!(get(&known, &tool), None);
        known.put(&tool, Stamp::of(&tool), &version);

        let known = KnownVersions::open(file.clone());
        assert_eq!(get(&known, &tool), Some(version.clone()));
        fs::remove_file(&tool).unwrap();
        assert_eq!(get(&known, &tool), None);
        fs::write(&tool, "\x7fELF other").unwrap();
        assert_eq!(get(&known, &tool), None);

        fs::write(&file, "no json").unwrap();
        assert_eq!(get(&KnownVersions::open(file), &tool), None);
    }

    #[test]
    fn a_script_is_always_asked() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        fs::write(&tool, "#!/bin/sh\nexec other-tool \"$@\"\n").unwrap();
        let known = KnownVersions::default();
        known.put(&tool, Stamp::of(&tool), &Version::new(1, 2, 3));
        assert_eq!(get(&known, &tool), None);
    }
}
