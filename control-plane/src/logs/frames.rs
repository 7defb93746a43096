//! Checks an append before a byte of it is stored, and turns it into what the two files take.

use wire::{FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, LogStream, MAX_FRAME_BYTES, Timestamp};

/// Why an append is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrames {
    /// A frame was damaged or cut short on its way: who sends frames has checked them.
    #[error("frame {frame} of the append is damaged: {error}; send it again")]
    Damaged {
        /// Counted from 1.
        frame: usize,
        /// What is wrong.
        error: FrameError,
    },
    /// A frame does not start where the one before it ended. Sending it again as it is will not help.
    #[error("frame {frame} of the append starts at offset {found}, but {expected} comes next")]
    Discontinuous {
        /// Counted from 1.
        frame: usize,
        /// Where the frame before it ended, or what the request said.
        expected: u64,
        /// Where it says that it starts.
        found: u64,
    },
}

/// Frames that were checked: their bytes, and their headers with offsets of the job's log.
#[derive(Debug, Default)]
pub(super) struct CheckedFrames {
    pub(super) payload: Vec<u8>,
    pub(super) headers: Vec<u8>,
}

impl CheckedFrames {
    /// Checks frames whose offsets count from `base` and of which the first starts at `offset`.
    pub(super) fn check(base: u64, offset: u64, frames: &[u8]) -> Result<Self, BadFrames> {
        let mut checked = Self::default();
        checked.payload.reserve(frames.len());
        let (mut rest, mut expected, mut number) = (frames, offset, 0);
        while !rest.is_empty() {
            number += 1;
            let (frame, after) =
                Frame::split_first(rest).map_err(|error| BadFrames::Damaged { frame: number, error })?;
            if frame.header.offset != expected {
                return Err(BadFrames::Discontinuous { frame: number, expected, found: frame.header.offset });
            }
            expected = frame.header.end();
            checked.push(FrameHeader { offset: base.saturating_add(frame.header.offset), ..frame.header }, frame.bytes);
            rest = after;
        }
        Ok(checked)
    }

    /// Frames for a text that came without them.
    pub(super) fn of_text(stream: LogStream, offset: u64, at: Timestamp, text: &[u8]) -> Self {
        let mut checked = Self::default();
        for piece in text.chunks(MAX_FRAME_BYTES) {
            let offset = offset + checked.payload.len() as u64;
            checked.push(FrameHeader::describe(stream, offset, at, piece), piece);
        }
        checked
    }

    pub(super) fn frame_count(&self) -> u64 {
        (self.headers.len() / FRAME_HEADER_BYTES) as u64
    }

    /// An empty frame says nothing, and would stand in the way of a search by offset.
    fn push(&mut self, header: FrameHeader, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.payload.extend_from_slice(bytes);
        self.headers.extend_from_slice(&header.encode());
    }
}
