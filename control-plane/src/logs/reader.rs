//! Reads a log in order and waits for more of it, without the database.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use super::entries::{self, Entry, Span};
use super::files::{LogFiles, Tail};
use super::job_log::JobLog;
use super::store::{LogError, blocking};

/// Headers looked at in one go.
const BATCH_FRAMES: u64 = 4096;
/// A character has at most four bytes, so of four frames at least one byte can be shown.
const MIN_FRAMES: usize = 4;

/// Whether more may be written after what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An unfinished character at the end is held back: the rest of it may come.
    MayGrow,
    /// What there is, is all.
    Final,
}

/// A place in a log, from which one viewer reads on.
#[derive(Debug)]
pub struct LogReader {
    log: Arc<JobLog>,
    tail: watch::Receiver<Tail>,
    at: u64,
}

impl LogReader {
    pub(super) fn new(log: Arc<JobLog>, after: u64) -> Self {
        let tail = log.watch();
        Self { log, tail, at: after }
    }

    /// The offset that the next entry starts at.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next entries, of about `max_bytes` together (one is always whole); none at the end of what there is.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub async fn next(&mut self, max_bytes: u64, ending: Ending) -> Result<Vec<Entry>, LogError> {
        let tail = *self.tail.borrow_and_update();
        if self.at >= tail.bytes {
            return Ok(Vec::new());
        }
        let (log, after) = (Arc::clone(&self.log), self.at);
        let entries = blocking(move || match log.files() {
            Some(files) => Ok(read(files, tail, after, max_bytes, ending)?),
            None => Ok(Vec::new()),
        })
        .await?;
        self.at = entries.last().map_or(self.at, |entry| entry.end);
        Ok(entries)
    }

    /// Waits until the log has changed since the last [`Self::next`].
    pub async fn changed(&mut self) {
        // The sender lives in `self.log`, so this cannot fail.
        let _ = self.tail.changed().await;
    }
}

fn read(files: &LogFiles, tail: Tail, after: u64, max_bytes: u64, ending: Ending) -> io::Result<Vec<Entry>> {
    let first = files.frame_after(after, tail)?;
    let mut headers = files.headers(first, (tail.frames - first).min(BATCH_FRAMES))?;
    let fitting = headers.iter().take_while(|header| header.end() <= after.saturating_add(max_bytes)).count();
    headers.truncate(fitting.max(MIN_FRAMES));
    let is_end = first + headers.len() as u64 == tail.frames;
    let may_grow = !is_end || ending == Ending::MayGrow;
    let mut entries = Vec::new();
    // An entry starts where the one before it ended, which may be before its own first frame: a character that was
    // not whole yet.
    let mut start = after;
    for span in entries::join(&headers, may_grow) {
        let entry = show(files, start, span)?;
        start = entry.end;
        if !entry.bytes.is_empty() {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// The bytes of a span from `start`, which is where the entry before it ended.
fn show(files: &LogFiles, start: u64, span: Span) -> io::Result<Entry> {
    let mut bytes = files.bytes(start, span.end)?;
    if span.goes_on {
        bytes.truncate(entries::whole_characters(&bytes));
    }
    Ok(Entry { stream: span.stream, at: span.at, start, end: start + bytes.len() as u64, bytes })
}
