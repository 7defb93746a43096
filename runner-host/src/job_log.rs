//! The log of one run: frames in a file. Written by the job process, read by the host.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use executor_api::LogWriter;
use sha2::{Digest, Sha256};
use wire::{FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, LogStream, LogSummary, MAX_FRAME_BYTES, Timestamp};

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
}

/// Says what was written, while the writer is elsewhere.
#[derive(Clone)]
pub(crate) struct LogTotals(Arc<Mutex<State>>);

impl FrameWriter {
    pub(crate) fn open(file: &Path, limit: u64) -> io::Result<(Self, LogTotals)> {
        let file = OpenOptions::new().write(true).open(file)?;
        let state = State { file, end: 0, length: 0, digest: Sha256::new(), limit, dropped: 0, unsaid: 0 };
        let state = Arc::new(Mutex::new(state));
        Ok((Self(Arc::clone(&state)), LogTotals(state)))
    }
}

impl LogTotals {
    /// What the whole log is. Nothing is written after this.
    pub(crate) fn finish(&self) -> LogSummary {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let fits = self.length + bytes.len() as u64 <= self.limit;
        if fits {
            self.say_what_is_missing(at);
        }
        if !fits || self.unsaid > 0 || self.write(stream, at, bytes).is_err() {
            self.dropped += bytes.len() as u64;
            self.unsaid += bytes.len() as u64;
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

/// Reads frames that are whole, from an offset of the log on.
pub(crate) struct FrameReader {
    file: File,
    /// Where the next frame is in the file.
    position: u64,
    /// The offset of its first byte in the log.
    offset: u64,
}

/// Frames to send.
pub(crate) struct Batch {
    /// The offset of the first.
    pub(crate) offset: u64,
    /// The offset after the last.
    pub(crate) end: u64,
    /// The frames, one after another.
    pub(crate) frames: Bytes,
    /// Where the reader is after it.
    next_position: u64,
}

impl FrameReader {
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(file)?, position: 0, offset: 0 })
    }

    /// Whole frames of about `most` bytes; none at the end of what is written.
    pub(crate) fn next(&self, most: usize) -> io::Result<Option<Batch>> {
        let mut buffer = BytesMut::zeroed(most.max(FRAME_HEADER_BYTES + MAX_FRAME_BYTES));
        let read = self.file.read_at(&mut buffer, self.position)?;
        let (mut used, mut end) = (0, self.offset);
        loop {
            match Frame::split_first(&buffer[used..read]) {
                Ok((frame, _)) if frame.header.offset == end => {
                    used += FRAME_HEADER_BYTES + frame.bytes.len();
                    end = frame.header.end();
                }
                // Written just now; the rest comes.
                Err(FrameError::Short) => break,
                Ok(_) | Err(_) if used > 0 => break,
                Ok(_) | Err(_) if self.is_torn(read)? => break,
                Ok(_) | Err(_) => return Err(damaged(format!("the log is damaged at offset {end}"))),
            }
        }
        buffer.truncate(used);
        let next_position = self.position + used as u64;
        Ok((used > 0).then(|| Batch { offset: self.offset, end, frames: buffer.freeze(), next_position }))
    }

    /// A header that is not all written yet reads as zeros or rubbish at the very end of the file.
    fn is_torn(&self, read: usize) -> io::Result<bool> {
        Ok(self.position + read as u64 >= self.file.metadata()?.len() && read < FRAME_HEADER_BYTES + MAX_FRAME_BYTES)
    }

    /// A batch is delivered.
    pub(crate) fn advance(&mut self, batch: &Batch) {
        (self.position, self.offset) = (batch.next_position, batch.end);
    }

    /// The offset of the next frame's first byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to where the plane wants the log from: the frame that begins there, or the end if there is less.
    pub(crate) fn seek(&mut self, wanted: u64) -> io::Result<()> {
        (self.position, self.offset) = (0, 0);
        let mut header = [0; FRAME_HEADER_BYTES];
        while self.offset < wanted {
            match self.file.read_exact_at(&mut header, self.position) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            let frame = FrameHeader::decode(&header).map_err(|error| damaged(error.to_string()))?;
            if frame.end() > wanted {
                return Err(damaged(format!("the plane wants the log from {wanted}, inside a frame")));
            }
            self.position += FRAME_HEADER_BYTES as u64 + u64::from(frame.length);
            self.offset = frame.end();
        }
        Ok(())
    }

    /// Length and digest of all whole frames: for a process that left no outcome.
    pub(crate) fn summarize(file: &Path) -> io::Result<LogSummary> {
        Self::summarize_until(file, u64::MAX)
    }

    /// Length and digest of the frames that end before or at this offset.
    pub(crate) fn summarize_until(file: &Path, end: u64) -> io::Result<LogSummary> {
        let mut reader = Self::open(file)?;
        let (mut digest, mut length) = (Sha256::new(), 0);
        while let Some(batch) = reader.next(MAX_FRAME_BYTES).or_else(end_at_damage)? {
            let mut rest = &batch.frames[..];
            while let Ok((frame, more)) = Frame::split_first(rest) {
                if frame.header.end() <= end {
                    digest.update(frame.bytes);
                    length = frame.header.end();
                }
                rest = more;
            }
            reader.advance(&batch);
        }
        let sha256 = hex::encode(digest.finalize());
        Ok(LogSummary { length, sha256, dropped_bytes: 0 })
    }
}

/// A log that cannot be read on, for example after a power cut. See [`is_damage`].
fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Whether an error is about what the log holds: reading it again will not help.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

fn end_at_damage(error: io::Error) -> io::Result<Option<Batch>> {
    if is_damage(&error) { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(writer: &mut FrameWriter, text: &[u8]) {
        writer.append(LogStream::Stdout, Timestamp::now(), text);
    }

    fn read(file: &Path) -> Vec<u8> {
        let mut reader = FrameReader::open(file).unwrap();
        let mut all = Vec::new();
        while let Some(batch) = reader.next(1).unwrap() {
            let mut rest = &batch.frames[..];
            while let Ok((frame, more)) = Frame::split_first(rest) {
                all.extend_from_slice(frame.bytes);
                rest = more;
            }
            reader.advance(&batch);
        }
        all
    }

    #[test]
    fn what_is_written_is_read_and_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        File::create(&file).unwrap();
        let (mut writer, totals) = FrameWriter::open(&file, u64::MAX).unwrap();
        let big = vec![b'x'; MAX_FRAME_BYTES * 2 + 5];
        for text in [&b"one\n"[..], b"\0\xff\xfe", &big] {
            write(&mut writer, text);
        }
        let all = read(&file);
        assert_eq!(all.len(), 7 + big.len());
        assert_eq!(totals.finish(), FrameReader::summarize(&file).unwrap());
        assert_eq!(totals.finish().sha256, hex::encode(Sha256::digest(&all)));
    }

    #[test]
    fn a_torn_end_is_waited_for_and_does_not_hide_what_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        File::create(&file).unwrap();
        let (mut writer, _) = FrameWriter::open(&file, u64::MAX).unwrap();
        write(&mut writer, b"first\n");
        let whole = std::fs::metadata(&file).unwrap().len();
        write(&mut writer, b"second\n");
        let all = std::fs::metadata(&file).unwrap().len();
        for cut in (whole..all).rev() {
            OpenOptions::new().write(true).open(&file).unwrap().set_len(cut).unwrap();
            assert_eq!(read(&file), b"first\n", "cut at {cut}");
        }
    }

    #[test]
    fn the_limit_drops_and_counts_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        File::create(&file).unwrap();
        let (mut writer, totals) = FrameWriter::open(&file, 10).unwrap();
        write(&mut writer, b"12345678\n");
        write(&mut writer, b"too much\n");
        write(&mut writer, b"more\n");
        assert_eq!(totals.finish().dropped_bytes, 14);
        let text = String::from_utf8(read(&file)).unwrap();
        assert_eq!(text, "12345678\n14 bytes of log could not be kept here\n");
    }

    #[test]
    fn a_reader_goes_to_where_the_plane_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        File::create(&file).unwrap();
        let (mut writer, _) = FrameWriter::open(&file, u64::MAX).unwrap();
        for text in ["one\n", "two\n", "three\n"] {
            write(&mut writer, text.as_bytes());
        }
        let mut reader = FrameReader::open(&file).unwrap();
        reader.seek(8).unwrap();
        assert_eq!(reader.next(1).unwrap().unwrap().offset, 8);
        reader.seek(0).unwrap();
        assert_eq!(reader.next(1).unwrap().unwrap().offset, 0);
        assert!(reader.seek(5).is_err(), "the plane stores whole frames only");
    }
}
