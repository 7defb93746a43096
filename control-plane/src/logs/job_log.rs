//! One job's log while it is open: the only writer of its two files, and what its readers watch.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Semaphore, watch};
use wire::{LogStream, Timestamp};

use super::digest::RunningDigest;
use super::files::{HEADER, LogFiles, Tail};
use super::frames::CheckedFrames;
use super::recovery::{self, MAX_UNSYNCED_BYTES};
use super::store::LogError;

/// An open log. Its methods block; [`super::LogStore`] calls them where that harms nobody.
#[derive(Debug)]
pub(super) struct JobLog {
    dir: PathBuf,
    files: OnceLock<LogFiles>,
    /// Taken by whoever writes.
    digest: Mutex<RunningDigest>,
    /// What is written, and so may be read.
    tail: watch::Sender<Tail>,
    /// What is synced, and so may be acknowledged.
    durable: Mutex<Tail>,
    /// Taken by the one who syncs for all that wait.
    syncing: tokio::sync::Mutex<()>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Written, and readers know; not yet synced.
    UpTo(u64),
    /// Nothing was written, because it does not start at the end of the log.
    EndsAt(u64),
}

impl JobLog {
    /// Opens what there is, after cutting off what a crash left torn. Makes nothing where there is no log yet.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        let (files, mut tail) = (OnceLock::new(), Tail::default());
        if let Some(found) = LogFiles::open(&dir)? {
            tail = recovery::recover(&found)?;
            // It may be this process that wrote the end without a sync.
            found.sync()?;
            files.get_or_init(|| found);
        }
        let (digest, syncing) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { dir, files, digest, tail: watch::Sender::new(tail), durable: Mutex::new(tail), syncing })
    }

    pub(super) fn tail(&self) -> Tail {
        *self.tail.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    /// None as long as nothing was written.
    pub(super) fn files(&self) -> Option<&LogFiles> {
        self.files.get()
    }

    /// Writes checked frames that start at `start`, unless that is not the end of the log.
    pub(super) fn write(&self, start: u64, frames: &CheckedFrames, limit: u64) -> Result<Written, LogError> {
        let mut digest = lock(&self.digest);
        let tail = self.tail();
        if start != tail.bytes {
            return Ok(Written::EndsAt(tail.bytes));
        }
        self.write_at_end(&mut digest, tail, frames, limit).map(Written::UpTo)
    }

    /// Writes a text at the end, wherever that is.
    pub(super) fn write_text(&self, stream: LogStream, text: &[u8], limit: u64) -> Result<u64, LogError> {
        let mut digest = lock(&self.digest);
        let tail = self.tail();
        let frames = CheckedFrames::of_text(stream, tail.bytes, Timestamp::now(), text);
        self.write_at_end(&mut digest, tail, &frames, limit)
    }

    /// Lets the running digest count from here, and says where that is.
    pub(super) fn begin_attempt(&self) -> u64 {
        let mut digest = lock(&self.digest);
        let base = self.tail().bytes;
        *digest = RunningDigest::starting_at(base);
        base
    }

    /// Length and SHA-256 of what was written since `base`.
    pub(super) fn digest_since(&self, base: u64) -> io::Result<(u64, [u8; 32])> {
        let mut digest = lock(&self.digest);
        if digest.base != base {
            *digest = RunningDigest::starting_at(base);
        }
        if let Some(files) = self.files.get() {
            digest.catch_up(files, self.tail().bytes)?;
        }
        Ok((digest.length(), digest.finish()))
    }

    /// Syncs until everything before `end` is durable. Who waits meanwhile finds it done by another.
    pub(super) async fn make_durable(self: &Arc<Self>, end: u64, syncs: &Semaphore) -> Result<(), LogError> {
        let _leader = self.syncing.lock().await;
        if lock(&self.durable).bytes >= end {
            return Ok(());
        }
        let _permit = syncs.acquire().await;
        let log = Arc::clone(self);
        super::store::blocking(move || log.sync()).await?;
        if lock(&self.durable).bytes < end {
            return Err(io::Error::other("what was written was taken back, as another's sync failed").into());
        }
        Ok(())
    }

    fn write_at_end(
        &self,
        digest: &mut RunningDigest,
        tail: Tail,
        frames: &CheckedFrames,
        limit: u64,
    ) -> Result<u64, LogError> {
        if frames.payload.is_empty() {
            return Ok(tail.bytes);
        }
        let end = tail.bytes + frames.payload.len() as u64;
        if end > limit {
            return Err(LogError::Full { limit });
        }
        let durable = lock(&self.durable).bytes;
        if end - durable > MAX_UNSYNCED_BYTES {
            let synced = self.sync_files();
            self.settle(digest, tail, synced)?;
        }
        self.put(tail, frames)?;
        digest.update(tail.bytes, &frames.payload);
        self.tail.send_replace(Tail { bytes: end, frames: tail.frames + frames.frame_count() });
        Ok(end)
    }

    /// Bytes before headers: a header without its bytes would be a lie. A write that fails half-way leaves no trace.
    fn put(&self, tail: Tail, frames: &CheckedFrames) -> io::Result<()> {
        let files = self.files_to_write()?;
        let payload = files.payload.write_all_at(&frames.payload, tail.bytes);
        let written = payload.and_then(|()| files.index.write_all_at(&frames.headers, tail.frames * HEADER));
        written.inspect_err(|_| {
            if let Err(error) = files.cut(tail) {
                tracing::error!(%error, dir = %self.dir.display(), "could not cut a log after a failed write");
            }
        })
    }

    /// Only the holder of the digest's lock calls this, so no two make the files.
    fn files_to_write(&self) -> io::Result<&LogFiles> {
        match self.files.get() {
            Some(files) => Ok(files),
            None => {
                let files = LogFiles::create(&self.dir)?;
                Ok(self.files.get_or_init(|| files))
            }
        }
    }

    fn sync(&self) -> Result<(), LogError> {
        let target = self.tail();
        let synced = self.sync_files();
        self.settle(&mut lock(&self.digest), target, synced)
    }

    fn sync_files(&self) -> io::Result<()> {
        self.files().map_or(Ok(()), LogFiles::sync)
    }

    /// What a sync of everything before `target` means.
    ///
    /// After a failed one nobody knows which pages reached the disk, and a second sync would not say: go back to what is
    /// known to be there. The runner has the rest still.
    fn settle(&self, digest: &mut RunningDigest, target: Tail, synced: io::Result<()>) -> Result<(), LogError> {
        let mut durable = lock(&self.durable);
        if synced.is_ok() {
            // Not what was taken back meanwhile.
            if (durable.bytes..=self.tail().bytes).contains(&target.bytes) {
                *durable = target;
            }
            return Ok(());
        }
        if let Err(error) = self.files().map_or(Ok(()), |files| files.cut(*durable)) {
            tracing::error!(%error, dir = %self.dir.display(), "could not cut a log after a failed sync");
        }
        *digest = RunningDigest::starting_at(digest.base);
        self.tail.send_replace(*durable);
        Ok(synced?)
    }
}

/// A panic while the lock was held cannot have left more than an unfinished write, which the next one overwrites.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_failed_sync_took_back_is_durable_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(JobLog::open(dir.path().join("j")).unwrap());
        let write = |text: &[u8]| log.write_text(LogStream::Stdout, text, u64::MAX).unwrap();
        let syncs = Semaphore::new(1);
        let kept = write(b"kept\n");
        log.make_durable(kept, &syncs).await.unwrap();
        // Two have written; the sync of one fails before the other asks.
        let (_, end) = (write(b"one\n"), write(b"two\n"));
        let failed = log.settle(&mut lock(&log.digest), log.tail(), Err(io::Error::other("a bad disk")));
        assert!(failed.is_err());
        assert_eq!(log.tail().bytes, kept);
        assert!(log.make_durable(end, &syncs).await.is_err());
        let again = write(b"one\n");
        log.make_durable(again, &syncs).await.unwrap();
        assert_eq!(log.digest_since(0).unwrap().0, again);
    }
}
