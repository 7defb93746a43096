//! The log: what a tool wrote, byte for byte, with the stream it came from and when.
//!
//! A log is a sequence of frames. A frame is a header and some bytes of one stream, usually whole lines. The same
//! frame is a record of the job directory's `log` file, a part of an append over HTTP, and (header and bytes apart)
//! what the plane stores. **Offsets count log bytes**, not headers, from 0 for each attempt; so the plane's log is
//! `sha256sum`-equal to what the tool wrote.

use serde::{Deserialize, Serialize};

use crate::{JobId, Timestamp};

/// Where log bytes came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogStream {
    /// The tool's standard output.
    #[default]
    Stdout,
    /// The tool's standard error.
    Stderr,
    /// Us, about the job.
    System,
}

/// Bytes of an encoded [`FrameHeader`].
pub const FRAME_HEADER_BYTES: usize = 32;
/// The most bytes one frame may carry.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

const MAGIC: u8 = 0xA1;

/// What stands before the bytes of a frame. Encoded little-endian: magic `A1`, stream (0 stdout, 1 stderr,
/// 2 system), two zero bytes, length `u32`, offset `u64`, time in microseconds since 1970 `i64`, CRC-32C `u32` of
/// the bytes, CRC-32C `u32` of the 28 bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Where the bytes came from.
    pub stream: LogStream,
    /// How many bytes follow.
    pub length: u32,
    /// Offset of the first of them in the attempt's log.
    pub offset: u64,
    /// When they were read from the tool.
    pub at: Timestamp,
    /// CRC-32C of the bytes.
    pub crc: u32,
}

/// A header and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: FrameHeader,
    /// The bytes, as the tool wrote them.
    pub bytes: &'a [u8],
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More bytes are needed; at the end of a file, the writer was cut off here.
    #[error("the frame is cut short")]
    Short,
    /// Not a frame, or a damaged header.
    #[error("the frame's header is damaged")]
    Header,
    /// The bytes are not those that were written.
    #[error("the frame's checksum does not match its bytes")]
    Checksum,
}

impl FrameHeader {
    /// Describes `bytes`.
    ///
    /// # Panics
    /// If there are more than [`MAX_FRAME_BYTES`].
    #[must_use]
    pub fn describe(stream: LogStream, offset: u64, at: Timestamp, bytes: &[u8]) -> Self {
        assert!(bytes.len() <= MAX_FRAME_BYTES, "a frame carries at most {MAX_FRAME_BYTES} bytes");
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        let length = bytes.len() as u32;
        Self { stream, length, offset, at, crc: crc32c::crc32c(bytes) }
    }

    /// The offset after the frame's last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }

    /// The encoded form.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[0] = MAGIC;
        out[1] = match self.stream {
            LogStream::Stdout => 0,
            LogStream::Stderr => 1,
            LogStream::System => 2,
        };
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..16].copy_from_slice(&self.offset.to_le_bytes());
        out[16..24].copy_from_slice(&self.at.as_micros().to_le_bytes());
        out[24..28].copy_from_slice(&self.crc.to_le_bytes());
        let own = crc32c::crc32c(&out[..28]);
        out[28..].copy_from_slice(&own.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`FrameError::Short`] with less than [`FRAME_HEADER_BYTES`]; [`FrameError::Header`] if it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let bytes: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk().ok_or(FrameError::Short)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let stream = match bytes[1] {
            0 => LogStream::Stdout,
            1 => LogStream::Stderr,
            2 => LogStream::System,
            _ => return Err(FrameError::Header),
        };
        let length = word(4);
        if bytes[0] != MAGIC || word(28) != crc32c::crc32c(&bytes[..28]) || length as usize > MAX_FRAME_BYTES {
            return Err(FrameError::Header);
        }
        Ok(Self { stream, length, offset: long(8), at: Timestamp::from_micros(long(16).cast_signed()), crc: word(24) })
    }
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes` and what comes after it.
    ///
    /// # Errors
    /// See [`FrameError`]; nothing of a damaged frame is returned.
    pub fn split_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), FrameError> {
        let header = FrameHeader::decode(bytes)?;
        let (bytes, rest) =
            bytes[FRAME_HEADER_BYTES..].split_at_checked(header.length as usize).ok_or(FrameError::Short)?;
        if crc32c::crc32c(bytes) != header.crc {
            return Err(FrameError::Checksum);
        }
        Ok((Self { header, bytes }, rest))
    }
}

/// 200 and 416 of a log append. On a 200 everything before `offset` is durable; on a 416 nothing was stored and
/// the next append must start at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAppended {
    /// The offset wanted next.
    pub offset: u64,
}

/// What became of a log append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// Durable up to this offset.
    Durable(u64),
    /// There is a gap or an overlap: go on from this offset.
    Wanted(u64),
}

/// The seed's `POST /api/jobs/{id}/logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPost {
    /// Text; must not be empty.
    pub log_chunk: String,
    /// Where it came from.
    #[serde(default)]
    pub stream_type: LogStream,
}

/// A piece of a log, in `GET .../logs` and in `event: log` of the live stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Offset after its last byte in the job's log; `?after=` and `Last-Event-ID` resume with it.
    pub id: u64,
    /// Which job.
    pub job_id: JobId,
    /// The text; what is not UTF-8 shows as U+FFFD (the raw route has the bytes).
    pub log_chunk: String,
    /// Where it came from.
    pub stream_type: LogStream,
    /// When the tool wrote it.
    pub created_at: Timestamp,
}

/// `GET /api/jobs/{id}/logs?after=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// In order; empty at the end of what there is.
    pub logs: Vec<LogEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let header = FrameHeader::describe(LogStream::Stderr, 7, Timestamp::from_micros(-5), bytes);
        [&header.encode()[..], bytes].concat()
    }

    proptest! {
        #[test]
        fn a_frame_survives_the_way(bytes: Vec<u8>, tail: Vec<u8>) {
            let mut encoded = frame(&bytes);
            encoded.extend_from_slice(&tail);
            let (read, rest) = Frame::split_first(&encoded).unwrap();
            prop_assert_eq!(read.bytes, &bytes[..]);
            prop_assert_eq!(read.header.end(), 7 + bytes.len() as u64);
            prop_assert_eq!(read.header.at.as_micros(), -5);
            prop_assert_eq!(rest, &tail[..]);
        }

        #[test]
        fn no_flipped_bit_passes(bytes: Vec<u8>, flip: prop::sample::Index) {
            let mut encoded = frame(&bytes);
            let bit = flip.index(encoded.len() * 8);
            encoded[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Frame::split_first(&encoded).is_err());
        }

        #[test]
        fn rubbish_is_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = Frame::split_first(&bytes);
        }
    }
}
