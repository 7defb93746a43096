//! The room on the disk that a job needs before anything else.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// What is kept for the outcome, that it may be told on a full disk.
pub(super) const OUTCOME_BYTES: usize = 64 * 1024;
/// As much again for the rest.
const JOB_BYTES: usize = 2 * OUTCOME_BYTES;

/// Whether a job would find its room. It is tried, as nothing else knows of quotas and of disks that became read-only; in a
/// file without a name, of which nothing is left whatever happens.
pub(crate) fn try_room(jobs: &Path) -> io::Result<()> {
    take_room(&tempfile::tempfile_in(jobs)?, JOB_BYTES)
}

pub(super) fn take_room(mut file: &File, bytes: usize) -> io::Result<()> {
    // Where a file system promises no room, zeros take it.
    fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes as u64).or_else(|_| file.write_all(&vec![0; bytes]))
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
