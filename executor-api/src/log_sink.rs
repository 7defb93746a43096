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
    /// Of each stream, what was written here and may go on to be a secret.
    held: [Vec<u8>; 3],
    writer: Box<dyn LogWriter>,
}

impl LogSink {
    /// A log that ends in `writer`.
    #[must_use]
    pub fn new(writer: Box<dyn LogWriter>) -> Self {
        Self(Arc::new(Mutex::new(State { masker: Masker::default(), held: Default::default(), writer })))
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

    /// Writes bytes of one stream.
    pub fn write(&self, stream: LogStream, at: Timestamp, bytes: &[u8]) {
        let State { masker, held, writer } = &mut *self.lock();
        masker.feed(&mut held[stream as usize], bytes, &mut |bytes| writer.append(stream, at, bytes));
    }

    /// Writes a line of ours about the job.
    pub fn system(&self, text: impl Display) {
        self.write(LogStream::System, Timestamp::now(), format!("{text}\n").as_bytes());
    }

    /// Writes what [`Self::write`] still holds back of an unfinished line. Call it when nothing follows.
    pub fn flush(&self) {
        let State { masker, held, writer } = &mut *self.lock();
        for stream in [LogStream::Stdout, LogStream::Stderr, LogStream::System] {
            let held = &mut held[stream as usize];
            masker.finish(held, &mut |bytes| writer.append(stream, Timestamp::now(), bytes));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves the log usable: its state is a buffer and a list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream of one tool, on its way to the log: tools work side by side, and the end of one is not the end of another.
pub(crate) struct ToolStream {
    log: LogSink,
    stream: LogStream,
    held: Vec<u8>,
}

impl ToolStream {
    pub(crate) fn new(log: &LogSink, stream: LogStream) -> Self {
        Self { log: log.clone(), stream, held: Vec::new() }
    }

    /// Writes what the tool printed. `shown` is told what the log shows of it.
    pub(crate) fn write(&mut self, at: Timestamp, bytes: &[u8], shown: &mut dyn FnMut(&[u8])) {
        let State { masker, writer, .. } = &mut *self.log.lock();
        masker.feed(&mut self.held, bytes, &mut |bytes| {
            writer.append(self.stream, at, bytes);
            shown(bytes);
        });
    }

    /// The tool has ended: writes what is held back.
    pub(crate) fn end(&mut self, shown: &mut dyn FnMut(&[u8])) {
        let State { masker, writer, .. } = &mut *self.log.lock();
        masker.finish(&mut self.held, &mut |bytes| {
            writer.append(self.stream, Timestamp::now(), bytes);
            shown(bytes);
        });
    }
}

/// Who no longer waits for the tool has not seen its end.
impl Drop for ToolStream {
    fn drop(&mut self) {
        self.end(&mut |_| {});
    }
}
