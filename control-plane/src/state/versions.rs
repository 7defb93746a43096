//! The versions of a state: one synced file each, of which the last few are kept.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How many versions are kept: enough to go back behind a bad day.
const KEPT_VERSIONS: i64 = 20;

/// Writes a version that has no number yet, with mode 0600. Dropped, it is gone.
pub(super) fn write(dir: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives it its number, for good.
pub(super) fn number(file: NamedTempFile, dir: &Path, version: i64) -> io::Result<()> {
    file.persist(path(dir, version)).map_err(|error| error.error)?;
    for level in dir.ancestors().take(3) {
        File::open(level)?.sync_all()?;
    }
    Ok(())
}

/// Removes what is older than the versions kept. A failure costs only space.
pub(super) fn prune(dir: &Path, version: i64) {
    let old = version - KEPT_VERSIONS;
    if old > 0
        && let Err(error) = fs::remove_file(path(dir, old))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path(dir, old).display(), "could not remove an old version of a state");
    }
}

pub(super) fn path(dir: &Path, version: i64) -> PathBuf {
    dir.join(format!("{version}.json"))
}
