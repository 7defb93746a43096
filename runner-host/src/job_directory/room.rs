//! Whether a job would find the room that it needs before anything else.

use std::io;
use std::path::Path;

use super::JobDirectory;

/// The room that is kept for the outcome, and as much for the rest.
const RESERVES: usize = 2;

/// Tries it, as nothing else knows of quotas and of disks that became read-only. What is left by a runner that is killed just
/// then is no claim, and goes with its next start.
pub(crate) fn try_room(jobs: &Path) -> io::Result<()> {
    let mut kept = vec![];
    for _ in 0..RESERVES {
        let trial = tempfile::Builder::new().prefix(".trial").tempdir_in(jobs)?;
        JobDirectory::at(trial.path().to_owned()).keep_room_for_the_outcome()?;
        kept.push(trial);
    }
    kept.into_iter().try_for_each(tempfile::TempDir::close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        try_room(folder.path()).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        assert!(try_room(&folder.path().join("none")).is_err());
    }
}
