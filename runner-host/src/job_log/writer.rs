//! Appends frames, and keeps count of what they say.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use executor_api::LogWriter;
use sha2::{Digest, Sha256};
use wire::{FRAME_HEADER_BYTES, FrameHeader, LogStream, LogSummary, MAX_FRAME_BYTES, Timestamp};

use super::FrameReader;

/// Of a log that is too long, as much of its end is kept: how a job ended is worth more than its middle.
const END_BYTES: u64 = 64 << 10;

/// Appends frames. What it cannot keep it counts, and says so when it can again; it never fails, because the tool
/// that writes must go on.
pub(crate) struct FrameWriter(Arc<Mutex<State>>);

struct State {
    file: File,
    /// Where the next frame goes in the file.
    end: u64,
    /// Bytes of log so far.
    length: u64,
    digest: Sha256,
    limit: u64,
    dropped: u64,
    /// Of these, not yet said in the log.
    unsaid: u64,
    /// What comes last, once there is more than fits: written when all has come.
    last: Option<Last>,
}

#[derive(Default)]
struct Last {
    pieces: VecDeque<(LogStream, Timestamp, Vec<u8>)>,
    bytes: u64,
}

/// Says what was written, while the writer is elsewhere.
#[derive(Clone)]
pub(crate) struct LogTotals(Arc<Mutex<State>>);

impl FrameWriter {
    pub(crate) fn open(file: &Path, limit: u64) -> io::Result<(Self, LogTotals)> {
        let file = OpenOptions::new().write(true).open(file)?;
        let state = State { file, end: 0, length: 0, digest: Sha256::new(), limit, dropped: 0, unsaid: 0, last: None };
        let state = Arc::new(Mutex::new(state));
        Ok((Self(Arc::clone(&state)), LogTotals(state)))
    }

    /// Goes on where the last whole frame ends, of a writer that is gone. What the whole log is says [`FrameReader::summarize`].
    pub(crate) fn go_on(file: &Path) -> io::Result<Self> {
        let (end, length) = FrameReader::end(file)?;
        let (writer, LogTotals(state)) = Self::open(file, u64::MAX)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        // Half a frame would hide what follows.
        state.file.set_len(end)?;
        (state.end, state.length) = (end, length);
        drop(state);
        Ok(writer)
    }
}

impl LogTotals {
    /// What the whole log is. Nothing is written after this.
    pub(crate) fn finish(&self) -> LogSummary {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.write_last();
        state.say_what_is_missing(Timestamp::now());
        let sha256 = hex::encode(state.digest.clone().finalize());
        LogSummary { length: state.length, sha256, dropped_bytes: state.dropped }
    }
}

impl LogWriter for FrameWriter {
    fn append(&mut self, stream: LogStream, at: Timestamp, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.chunks(MAX_FRAME_BYTES) {
            state.append(stream, at, piece);
        }
    }
}

impl State {
    fn append(&mut self, stream: LogStream, at: Timestamp, bytes: &[u8]) {
        let is_of_the_end = self.length + bytes.len() as u64 > self.limit - END_BYTES.min(self.limit / 2);
        if is_of_the_end || self.last.is_some() {
            return self.keep_last(stream, at, bytes);
        }
        self.say_what_is_missing(at);
        if self.unsaid > 0 || self.write(stream, at, bytes).is_err() {
            self.lose(bytes.len());
        }
    }

    fn lose(&mut self, bytes: usize) {
        self.dropped += bytes as u64;
        self.unsaid += bytes as u64;
    }

    /// In what is left of the limit.
    fn keep_last(&mut self, stream: LogStream, at: Timestamp, bytes: &[u8]) {
        let longest = self.limit.saturating_sub(self.length);
        let (lost, kept) = bytes.split_at(bytes.len().saturating_sub(usize::try_from(longest).unwrap_or(usize::MAX)));
        let last = self.last.get_or_insert_default();
        last.pieces.push_back((stream, at, kept.to_vec()));
        last.bytes += kept.len() as u64;
        let mut bytes = lost.len();
        while last.bytes > longest
            && let Some((_, _, first)) = last.pieces.pop_front()
        {
            last.bytes -= first.len() as u64;
            bytes += first.len();
        }
        self.lose(bytes);
    }

    fn write_last(&mut self) {
        for (stream, at, bytes) in self.last.take().into_iter().flat_map(|last| last.pieces) {
            self.say_what_is_missing(at);
            if self.unsaid > 0 || self.write(stream, at, &bytes).is_err() {
                self.lose(bytes.len());
            }
        }
    }

    fn say_what_is_missing(&mut self, at: Timestamp) {
        if self.unsaid == 0 {
            return;
        }
        let text = format!("{} bytes of log could not be kept here\n", self.unsaid);
        if self.write(LogStream::System, at, text.as_bytes()).is_ok() {
            self.unsaid = 0;
        }
    }

    /// One frame, whole or not at all: half a frame would hide all that follow.
    fn write(&mut self, stream: LogStream, at: Timestamp, bytes: &[u8]) -> io::Result<()> {
        let header = FrameHeader::describe(stream, self.length, at, bytes).encode();
        let written = self.write_frame(&header, bytes);
        if written.is_err() {
            let _ = self.file.set_len(self.end);
            return written;
        }
        self.end += (FRAME_HEADER_BYTES + bytes.len()) as u64;
        self.length += bytes.len() as u64;
        self.digest.update(bytes);
        Ok(())
    }

    fn write_frame(&mut self, header: &[u8], bytes: &[u8]) -> io::Result<()> {
        use std::io::{IoSlice, Seek, SeekFrom};
        self.file.seek(SeekFrom::Start(self.end))?;
        let written = self.file.write_vectored(&[IoSlice::new(header), IoSlice::new(bytes)])?;
        if written < header.len() {
            self.file.write_all(&header[written..])?;
            return self.file.write_all(bytes);
        }
        self.file.write_all(&bytes[written - header.len()..])
    }
}
