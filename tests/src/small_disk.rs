//! A disk that is soon full.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::{Process, find, missing};

/// A small disk of its own. Only root may make one.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Of a size as `mount` takes it. Without one the test is left out.
    ///
    /// # Panics
    /// If anything but that fails.
    pub async fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = find("mount")?;
        let args = ["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"].map(str::to_owned);
        let args: Vec<_> = args.into_iter().chain([folder.path().display().to_string()]).collect();
        let mounted = Process::start(&mount, &args, &[]).ended().await;
        if !mounted.success() {
            missing("a small disk cannot be mounted here; root may");
            return None;
        }
        Some(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves not a byte free. Returns the file that takes them.
    ///
    /// # Panics
    /// If it does not come to that.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        fs::write(&filler, vec![0; 64 << 20]).expect_err("it is smaller than that");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.path(), rustix::mount::UnmountFlags::DETACH);
    }
}
