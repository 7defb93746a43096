//! The folder: made, looked into, put away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use executor_api::{JobPaths, JobSettings};
use wire::{AttemptNo, JobId, Phase};

use super::documents::{
    CLAIM, COMMITTED, Claimed, Committed, FORMAT, FORMAT_FILE, LOG, OUTBOX, OUTCOME, RESERVE, RESERVE_BYTES, SETTINGS,
};

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct JobDirectory {
    pub(super) root: PathBuf,
}

impl JobDirectory {
    /// Makes the directory of a claim. `claim.json` comes last: without it nothing was started.
    pub(crate) fn create(jobs: &Path, claimed: &Claimed, settings: &JobSettings) -> io::Result<Self> {
        let name = directory_name(&claimed.job.id, claimed.job.attempt_no());
        let directory = Self { root: jobs.join(name) };
        if directory.root.exists() {
            fs::remove_dir_all(&directory.root)?;
        }
        let paths = directory.paths();
        for dir in [&directory.root, &paths.work, &paths.inputs, &paths.home, &paths.temp, &directory.file(OUTBOX)] {
            DirBuilder::new().mode(0o700).create(dir)?;
        }
        fs::write(directory.file(FORMAT_FILE), FORMAT.to_string())?;
        fs::write(directory.file(RESERVE), [0; RESERVE_BYTES])?;
        new_file(&directory.file(LOG))?;
        directory.write(SETTINGS, settings)?;
        directory.write(CLAIM, claimed)?;
        Ok(directory)
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn paths(&self) -> JobPaths {
        JobPaths {
            work: self.root.join("work"),
            inputs: self.root.join("inputs"),
            home: self.root.join("home"),
            temp: self.root.join("tmp"),
        }
    }

    /// The layout's number; none if the directory was never finished.
    pub(crate) fn format(&self) -> Option<u32> {
        fs::read_to_string(self.file(FORMAT_FILE)).ok()?.trim().parse().ok()
    }

    /// How far the run has come, by the files that are there.
    pub(crate) fn phase(&self) -> Phase {
        match (self.has(OUTCOME), self.is_committed()) {
            (true, _) => Phase::Ending,
            (false, true) => Phase::Committed,
            (false, false) => Phase::Preparing,
        }
    }

    /// Whether the plane has said yes to the commit point.
    fn is_committed(&self) -> bool {
        // An answer that cannot be read counts as a yes: what may have changed the world is not run again.
        self.has(COMMITTED) && !matches!(self.read(COMMITTED), Ok(Some(Committed { refused: Some(_) })))
    }

    /// Gives up the room that was kept for the outcome.
    pub(crate) fn free_reserve(&self) {
        // Missing is as good.
        let _ = fs::remove_file(self.file(RESERVE));
    }

    /// All is delivered: nothing of the run stays behind. Tools leave folders without write permission.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if fs::remove_dir_all(&self.root).is_ok() {
            return Ok(());
        }
        make_writable(&self.root);
        fs::remove_dir_all(&self.root)
    }

    /// Keeps the run where a person finds it: the plane did not take its end.
    pub(crate) fn keep_as_lost(&self) -> io::Result<PathBuf> {
        let kept = self.root.with_extension(format!("{}.lost", self.root.extension().unwrap_or_default().display()));
        fs::rename(&self.root, &kept)?;
        Ok(kept)
    }
}

fn make_writable(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) fn directory_name(job: &JobId, attempt: AttemptNo) -> String {
    format!("{job}.{attempt}")
}
