//! All logs of a data folder: opens them, keeps a bounded number open, and moves file work off the async threads.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use wire::{AppendAnswer, JobId, LogStream};

use super::Entry;
use super::files::PAYLOAD_FILE;
use super::frames::{BadFrames, CheckedFrames};
use super::job_log::{JobLog, Written};
use super::reader::{Ending, LogReader};

/// Syncs that may run at once; what waits meanwhile shares the next one of its log.
const PARALLEL_SYNCS: usize = 16;

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The append is wrong in itself.
    #[error(transparent)]
    Bad(#[from] BadFrames),
    /// The job has written more than it may.
    #[error("the log of a job may have at most {limit} bytes")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// The file system failed, for example because it is full. Nothing of the append was kept.
    #[error("the log's files failed: {0}")]
    Io(#[from] io::Error),
}

/// What bounds the store.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// The most bytes one job may write, over all attempts.
    pub job_bytes: u64,
    /// How many logs stay open that nobody uses at the moment.
    pub idle_logs: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { job_bytes: 8 << 30, idle_logs: 128 }
    }
}

/// The logs of all jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    limits: LogLimits,
    open: Mutex<HashMap<JobId, Slot>>,
    syncs: Semaphore,
}

type Slot = Arc<OnceCell<Arc<JobLog>>>;

impl LogStore {
    /// Uses `dir`, which is made if it is not there. Each log is checked when it is first used.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(dir: &Path, limits: LogLimits) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let shared =
            Shared { dir: dir.to_owned(), limits, open: Mutex::default(), syncs: Semaphore::new(PARALLEL_SYNCS) };
        Ok(Self(Arc::new(shared)))
    }

    /// Appends frames whose offsets count from `base`; the first starts at `offset`. All or nothing.
    ///
    /// Live readers see them at once; the answer comes when they are synced, and counts from `base` too. With
    /// [`AppendAnswer::Wanted`] nothing was stored, and everything before the offset named is synced.
    ///
    /// # Errors
    /// See [`LogError`]; nothing was stored.
    pub async fn append(&self, job: &JobId, base: u64, offset: u64, frames: Bytes) -> Result<AppendAnswer, LogError> {
        let log = self.log(job).await?;
        let (writer, limit) = (Arc::clone(&log), self.0.limits.job_bytes);
        let written = blocking(move || {
            let checked = CheckedFrames::check(base, offset, &frames)?;
            writer.write(base.saturating_add(offset), &checked, limit)
        })
        .await?;
        match written {
            Written::UpTo(end) => {
                log.make_durable(end, &self.0.syncs).await?;
                Ok(AppendAnswer::Durable(end.saturating_sub(base)))
            }
            Written::EndsAt(end) => {
                log.make_durable(end, &self.0.syncs).await?;
                Ok(AppendAnswer::Wanted(end.saturating_sub(base)))
            }
        }
    }

    /// Appends a text, durably, and returns the log's length after it.
    ///
    /// # Errors
    /// See [`LogError`]; nothing was stored.
    pub async fn append_text(&self, job: &JobId, stream: LogStream, text: impl Into<Bytes>) -> Result<u64, LogError> {
        let log = self.log(job).await?;
        let (writer, limit, text) = (Arc::clone(&log), self.0.limits.job_bytes, text.into());
        let end = blocking(move || writer.write_text(stream, &text, limit)).await?;
        log.make_durable(end, &self.0.syncs).await?;
        Ok(end)
    }

    /// Says that an attempt begins here, after a line about why if there is one, and returns its base.
    /// [`Self::digest_since`] that base then costs nothing, because the digest is kept while the log grows.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn begin_attempt(&self, job: &JobId, why: Option<&str>) -> Result<u64, LogError> {
        if let Some(why) = why {
            self.append_text(job, LogStream::System, format!("{why}\n")).await?;
        }
        Ok(self.log(job).await?.begin_attempt())
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub async fn length(&self, job: &JobId) -> Result<u64, LogError> {
        Ok(self.log(job).await?.tail().bytes)
    }

    /// Length and SHA-256 of what was written since `base`; all of it is synced.
    ///
    /// # Errors
    /// If the files cannot be read or synced.
    pub async fn digest_since(&self, job: &JobId, base: u64) -> Result<(u64, [u8; 32]), LogError> {
        let log = self.log(job).await?;
        log.make_durable(log.tail().bytes, &self.0.syncs).await?;
        blocking(move || Ok(log.digest_since(base)?)).await
    }

    /// The entries after offset `after`, of about `max_bytes` together.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub async fn read(&self, job: &JobId, after: u64, max_bytes: u64, ending: Ending) -> Result<Vec<Entry>, LogError> {
        self.reader(job, after).await?.next(max_bytes, ending).await
    }

    /// A reader that starts after offset `after` and can wait for more.
    ///
    /// # Errors
    /// If the files cannot be opened.
    pub async fn reader(&self, job: &JobId, after: u64) -> Result<LogReader, LogError> {
        Ok(LogReader::new(self.log(job).await?, after))
    }

    /// The file with the plain bytes, without what a crash left torn; none if nothing was written yet.
    ///
    /// # Errors
    /// If the files cannot be opened.
    pub async fn payload_file(&self, job: &JobId) -> Result<Option<PathBuf>, LogError> {
        let log = self.log(job).await?;
        Ok(log.files().map(|_| self.0.dir.join(job.as_str()).join(PAYLOAD_FILE)))
    }

    async fn log(&self, job: &JobId) -> Result<Arc<JobLog>, LogError> {
        let slot = self.slot(job);
        let dir = self.0.dir.join(job.as_str());
        let opened = slot.get_or_try_init(|| blocking(move || Ok(Arc::new(JobLog::open(dir)?)))).await?;
        Ok(Arc::clone(opened))
    }

    /// One slot per job, so that no log is ever open twice: it is forgotten only while nobody else holds it.
    fn slot(&self, job: &JobId) -> Slot {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = open.get(job) {
            return Arc::clone(slot);
        }
        if open.len() >= self.0.limits.idle_logs {
            open.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.get().is_some_and(|log| Arc::strong_count(log) > 1)
            });
        }
        Arc::clone(open.entry(job.clone()).or_default())
    }
}

/// Runs file work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => Err(LogError::Io(io::Error::other(failed))),
    }
}
