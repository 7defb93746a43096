//! Who runs the job: one process, or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use process_supervisor::ProcessIdentity;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::JobDirectory;
use super::documents::PROCESS;

impl JobDirectory {
    /// The process that runs it or ran it. None if none has said yet who it is.
    pub(crate) fn process(&self) -> io::Result<Option<ProcessIdentity>> {
        match fs::read(self.file(PROCESS)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps every process but this one from running the job, until the file is dropped. None if one does.
    pub(crate) fn lock_process(&self) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(self.file(PROCESS))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes this process the one that runs the job, and says so. None if another one does.
    ///
    /// Not synced: after a power cut the boot in the claim says that no process is left.
    pub(crate) fn claim_process(&self) -> io::Result<Option<File>> {
        let Some(mut lock) = self.lock_process()? else { return Ok(None) };
        if lock.metadata()?.len() > 0 {
            return Err(io::Error::other("another process has run this job before"));
        }
        lock.write_all(&serde_json::to_vec(&ProcessIdentity::current()?)?)?;
        Ok(Some(lock))
    }

    /// Takes the directory from a process that was started in it and has not said yet who it is: that one finds
    /// nothing any more, and ends. None if it has said so by now.
    pub(crate) fn take_back(&self) -> io::Result<Option<Self>> {
        let Some(_lock) = self.lock_process()? else { return Ok(None) };
        if self.process()?.is_some() {
            return Ok(None);
        }
        let taken = Self::at(self.beside("again"));
        fs::rename(&self.root, &taken.root)?;
        // It may have this file open already; the next process gets one that nobody else can lock.
        fs::remove_file(taken.file(PROCESS))?;
        Ok(Some(taken))
    }
}
