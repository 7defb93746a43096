//! The directory of the next job, made before that comes: a file system may take milliseconds for its files, and no job
//! waits for them then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::JobDirectory;
use super::directory::remove_tree;
use super::documents::Claimed;

/// No job's name: it has no attempt. What an earlier start has left there has no claim, and is removed as such.
const NEXT: &str = "next";

/// Where it is, and whether it is there.
#[derive(Debug)]
pub(crate) struct NextDirectory {
    root: PathBuf,
    is_made: Mutex<bool>,
}

impl NextDirectory {
    pub(crate) fn below(jobs: &Path) -> Self {
        Self { root: jobs.join(NEXT), is_made: Mutex::default() }
    }

    /// Makes it, if it is not there.
    pub(crate) fn make(&self) -> io::Result<()> {
        self.make_locked(&mut self.is_made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes it the directory of a claim.
    pub(crate) fn become_that_of(&self, claimed: &Claimed, directory: &JobDirectory) -> io::Result<()> {
        directory.create_by(claimed, |root| {
            let mut is_made = self.is_made.lock().unwrap_or_else(PoisonError::into_inner);
            self.make_locked(&mut is_made)?;
            fs::rename(&self.root, root)?;
            *is_made = false;
            Ok(())
        })
    }

    /// Nobody will need it.
    pub(crate) fn remove(&self) {
        let mut is_made = self.is_made.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *is_made) {
            let _ = remove_tree(&self.root);
        }
    }

    fn make_locked(&self, is_made: &mut bool) -> io::Result<()> {
        if !*is_made {
            // Half of one, where the room did not suffice for more.
            let _ = remove_tree(&self.root);
            JobDirectory::at(self.root.clone()).make()?;
            *is_made = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job_directory::CLAIM;

    fn job(id: &str) -> Claimed {
        Claimed::of(json!({ "id": id, "job_type": "idle", "status": "CLAIMED", "attempt": 1 }))
    }

    #[test]
    fn it_becomes_the_directory_of_one_job_after_another() {
        let jobs = tempfile::tempdir().unwrap();
        let next = NextDirectory::below(jobs.path());
        next.make().unwrap();
        // The second finds none that was made before.
        for claimed in [job("a"), job("b")] {
            let directory = JobDirectory::of(jobs.path(), &claimed);
            next.become_that_of(&claimed, &directory).unwrap();
            assert!(directory.has(CLAIM) && !next.root.exists());
        }
        next.make().unwrap();
        next.remove();
        assert_eq!(jobs.path().read_dir().unwrap().count(), 2, "the two jobs alone");
    }

    #[test]
    fn what_an_earlier_start_has_left_is_in_nobodys_way() {
        let jobs = tempfile::tempdir().unwrap();
        NextDirectory::below(jobs.path()).make().unwrap();
        let next = NextDirectory::below(jobs.path());
        assert!(JobDirectory::at(next.root.clone()).claimed().unwrap().is_none(), "it is no job");
        next.become_that_of(&job("a"), &JobDirectory::of(jobs.path(), &job("a"))).unwrap();
    }
}
