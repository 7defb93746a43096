//! What nobody else has. It stays when all else of a run goes, where a person finds it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::JobDirectory;
use super::directory::name_of;
use super::format::former_bytes;
use super::outbox::PREFIX;

/// What the names of such files begin with.
pub(super) const KEPT: &str = "kept.";

impl JobDirectory {
    /// Where the run will be found when it is put away, if something of it is kept. Nowhere on a runner of many
    /// organisations: what one leaves there, the next could read, and no person comes to that disk.
    pub(crate) fn found_at(&self) -> Option<PathBuf> {
        (!self.is_shared()).then(|| self.lost())
    }

    /// Where an entry of the outbox will be found then, if the plane will not have it.
    pub(crate) fn kept_as(&self, entry: &Path) -> Option<PathBuf> {
        self.found_at().map(|lost| lost.join(kept_name(entry)))
    }

    /// Takes such an entry out of the outbox.
    pub(crate) fn keep_outbox(&self, entry: &Path) -> io::Result<()> {
        if self.is_shared() {
            return Self::remove_outbox(entry);
        }
        fs::rename(entry, self.file(&kept_name(entry)))?;
        let bytes = former_bytes(entry);
        match fs::rename(&bytes, self.file(&kept_name(&bytes))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps a file that cannot be handed over, for one because the disk is full: a second name needs no room. Returns
    /// where it will be found.
    pub(crate) fn keep_file(&self, number: u32, file: &Path) -> io::Result<PathBuf> {
        if self.is_shared() {
            return Err(io::Error::other("a runner of many organisations keeps nothing"));
        }
        let name = format!("{KEPT}{number:06}.{}", name_of(file));
        fs::hard_link(file, self.file(&name))?;
        Ok(self.lost().join(name))
    }

    pub(super) fn keeps_something(&self) -> io::Result<bool> {
        let mut entries = fs::read_dir(self.root())?.filter_map(Result::ok);
        Ok(entries.any(|entry| entry.file_name().to_string_lossy().starts_with(KEPT)))
    }

    pub(super) fn is_shared(&self) -> bool {
        self.claimed().ok().flatten().is_some_and(|claimed| claimed.settings.cloud.is_shared)
    }
}

fn kept_name(entry: &Path) -> String {
    let name = name_of(entry);
    format!("{KEPT}{}", name.strip_prefix(PREFIX).unwrap_or(&name))
}
