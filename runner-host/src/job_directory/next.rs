//! The directory of the next job, made before that comes: a file system may take milliseconds for its files, and no job
//! waits for them then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::JobDirectory;
use super::directory::remove_tree;
use super::documents::Claimed;

/// Where it is, and whether it is there.
#[derive(Debug)]
pub(crate) struct NextDirectory {
    root: PathBuf,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    Missing,
    Made,
    /// Nobody will need one: the runner leaves.
    Over,
}

impl NextDirectory {
    /// Of this start of the runner. What an earlier one has left has no claim, and is removed as such.
    pub(crate) fn below(jobs: &Path) -> Self {
        Self { root: jobs.join(format!("next-{}", Uuid::new_v4())), stage: Mutex::new(Stage::Missing) }
    }

    /// For the thread of all jobs: where somebody is about to make it, nobody waits for the disk to say so.
    pub(crate) fn is_made(&self) -> bool {
        self.stage.try_lock().is_ok_and(|stage| matches!(*stage, Stage::Made))
    }

    /// Makes it, if it is not there.
    pub(crate) fn make(&self) -> io::Result<()> {
        let mut stage = self.stage();
        if let Stage::Missing = *stage {
            self.make_anew(&mut stage)?;
        }
        Ok(())
    }

    /// Makes it the directory of a claim.
    pub(crate) fn become_that_of(&self, claimed: &Claimed, directory: &JobDirectory) -> io::Result<()> {
        directory.create_by(claimed, |root| {
            let mut stage = self.stage();
            if let Stage::Made = *stage {
                *stage = Stage::Missing;
                // Somebody may have tidied up.
                if fs::rename(&self.root, root).is_ok() {
                    return Ok(());
                }
            }
            self.make_anew(&mut stage)?;
            *stage = Stage::Missing;
            fs::rename(&self.root, root)
        })
    }

    /// Nobody will need it.
    pub(crate) fn remove(&self) {
        if let Stage::Made = std::mem::replace(&mut *self.stage(), Stage::Over) {
            let _ = remove_tree(&self.root);
        }
    }

    fn make_anew(&self, stage: &mut Stage) -> io::Result<()> {
        // Half of one, where the room did not suffice for more.
        let _ = remove_tree(&self.root);
        JobDirectory::at(self.root.clone()).make()?;
        *stage = Stage::Made;
        Ok(())
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
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
        next.make().unwrap();
        assert_eq!(jobs.path().read_dir().unwrap().count(), 2, "the two jobs alone");
    }

    #[test]
    fn one_that_somebody_took_away_is_made_again() {
        let jobs = tempfile::tempdir().unwrap();
        let next = NextDirectory::below(jobs.path());
        for id in ["a", "b"] {
            next.make().unwrap();
            fs::remove_dir_all(&next.root).unwrap();
            let directory = JobDirectory::of(jobs.path(), &job(id));
            next.become_that_of(&job(id), &directory).unwrap();
            assert!(directory.has(CLAIM));
        }
    }

    #[test]
    fn what_an_earlier_start_has_left_is_in_nobodys_way() {
        let jobs = tempfile::tempdir().unwrap();
        let left = NextDirectory::below(jobs.path());
        left.make().unwrap();
        assert!(JobDirectory::at(left.root).claimed().unwrap().is_none(), "it is no job");
        let next = NextDirectory::below(jobs.path());
        next.become_that_of(&job("a"), &JobDirectory::of(jobs.path(), &job("a"))).unwrap();
    }
}
