//! Where a job writes its log. The only way to it: so every byte passes the masker.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{LogStream, Timestamp};

use crate::mask::Masker;

/// What stores log bytes. Called for whole lines where possible; must not fail: what it cannot keep it counts.
pub trait LogWriter: Send {
    /// Takes some bytes of one stream.
    fn append(&mut self, stream: LogStream, at: Timestamp, bytes: &[u8]);
}

/// The log of one job. Cheap to clone; all clones are one log.
#[derive(Clone)]
pub struct LogSink(Arc<Mutex<State>>);

struct State {
    masker: Masker,
    writer: Box<dyn LogWriter>,
}

impl LogSink {
    /// A log that ends in `writer`.
    #[must_use]
    pub fn new(writer: Box<dyn LogWriter>) -> Self {
        Self(Arc::new(Mutex::new(State { masker: Masker::default(), writer })))
    }

    /// From now on `secret`, and its usual encodings, shows as `***`. Values shorter than 6 bytes are not masked:
    /// they would turn the log into stars.
    pub fn mask(&self, secret: &str) {
        self.lock().masker.add(secret);
    }

    /// `text` as the log would show it, for error messages and metadata.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.lock().masker.text(text)
    }

    /// Writes what a tool printed.
    pub fn write(&self, stream: LogStream, at: Timestamp, bytes: &[u8]) {
        let State { masker, writer } = &mut *self.lock();
        masker.feed(stream, bytes, &mut |bytes| writer.append(stream, at, bytes));
    }

    /// Writes a line of ours about the job.
    pub fn system(&self, text: impl Display) {
        self.write(LogStream::System, Timestamp::now(), format!("{text}\n").as_bytes());
    }

    /// Writes what the masker still holds back of an unfinished line. Call it when a tool has ended.
    pub fn flush(&self) {
        let State { masker, writer } = &mut *self.lock();
        masker.finish(&mut |stream, bytes| writer.append(stream, Timestamp::now(), bytes));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves the log usable: its state is a buffer and a list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
