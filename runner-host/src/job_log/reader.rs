//! Reads frames while they are written, from an offset of the log on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use wire::{FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, LogSummary, MAX_FRAME_BYTES};

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

impl Batch {
    /// Whether there is no less to send.
    pub(crate) fn is_one_frame(&self) -> bool {
        Frame::split_first(&self.frames).is_ok_and(|(_, rest)| rest.is_empty())
    }
}

impl FrameReader {
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(file)?, position: 0, offset: 0 })
    }

    /// How many bytes of the file are not delivered yet.
    pub(crate) fn waiting(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(self.position))
    }

    /// Whole frames of at most `most` bytes, or a single one that has more; none at the end of what is written.
    pub(crate) fn next(&self, most: usize) -> io::Result<Option<Batch>> {
        let there = usize::try_from(self.waiting()?).unwrap_or(usize::MAX);
        if there == 0 {
            return Ok(None);
        }
        let mut buffer = BytesMut::zeroed(there.min(most.max(FRAME_HEADER_BYTES + MAX_FRAME_BYTES)));
        let read = self.file.read_at(&mut buffer, self.position)?;
        let (mut used, mut end) = (0, self.offset);
        loop {
            match Frame::split_first(&buffer[used..read]) {
                Ok((frame, _)) if used > 0 && used + FRAME_HEADER_BYTES + frame.bytes.len() > most => break,
                Ok((frame, _)) if frame.header.offset == end => {
                    used += FRAME_HEADER_BYTES + frame.bytes.len();
                    end = frame.header.end();
                }
                // Written just now; the rest comes.
                Err(FrameError::Short) => break,
                Ok(_) | Err(_) if used > 0 => break,
                // A header that is not all written yet reads as zeros or rubbish at the very end of the file.
                Ok(_) | Err(_) if read < FRAME_HEADER_BYTES + MAX_FRAME_BYTES => break,
                Ok(_) | Err(_) => return Err(damaged(format!("the log is damaged at offset {end}"))),
            }
        }
        buffer.truncate(used);
        let next_position = self.position + used as u64;
        Ok((used > 0).then(|| Batch { offset: self.offset, end, frames: buffer.freeze(), next_position }))
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

    /// Where the last whole frame ends, in the file and in the log.
    pub(super) fn end(file: &Path) -> io::Result<(u64, u64)> {
        let mut reader = Self::open(file)?;
        while let Some(batch) = reader.next(MAX_FRAME_BYTES).or_else(end_at_damage)? {
            reader.advance(&batch);
        }
        Ok((reader.position, reader.offset))
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
