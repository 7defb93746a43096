//! What a crash left of a log: cuts both files back to the last frame that is whole in both.

use std::io::{self, BufReader, Read, Seek};

use wire::{FRAME_HEADER_BYTES, FrameHeader};

use super::files::{HEADER, LogFiles, Tail};

/// The most bytes of a log that may be written and not yet synced. Only these can be damaged by a power cut (pages
/// reach the disk in any order), so only these are checked against their checksums.
pub(super) const MAX_UNSYNCED_BYTES: u64 = 16 << 20;

/// Finds the end of what is whole and cuts the files there.
pub(super) fn recover(files: &LogFiles) -> io::Result<Tail> {
    let (payload_len, index_len) = (files.payload.metadata()?.len(), files.index.metadata()?.len());
    let described = whole_headers(files, payload_len)?;
    let tail = check_end(files, described)?;
    if (payload_len, index_len) != (tail.bytes, tail.frames * HEADER) {
        tracing::warn!(
            kept_bytes = tail.bytes,
            cut_bytes = payload_len - tail.bytes,
            cut_index_bytes = index_len - tail.frames * HEADER,
            "cut the torn end of a log"
        );
        files.cut(tail)?;
        files.sync()?;
    }
    Ok(tail)
}

/// Follows the headers for as long as each is whole, starts where the last ended, and has its bytes.
fn whole_headers(files: &LogFiles, payload_len: u64) -> io::Result<Tail> {
    let mut index = BufReader::with_capacity(1 << 18, &files.index);
    index.rewind()?;
    let (mut tail, mut encoded) = (Tail::default(), [0; FRAME_HEADER_BYTES]);
    loop {
        match index.read_exact(&mut encoded) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(tail),
            read => read?,
        }
        match FrameHeader::decode(&encoded) {
            Ok(header) if header.offset == tail.bytes && header.length > 0 && header.end() <= payload_len => {
                tail = Tail { bytes: header.end(), frames: tail.frames + 1 };
            }
            _ => return Ok(tail),
        }
    }
}

/// Checks the bytes of the frames that may not have been synced, and stops before the first damaged one.
fn check_end(files: &LogFiles, described: Tail) -> io::Result<Tail> {
    let from = described.bytes.saturating_sub(MAX_UNSYNCED_BYTES);
    let mut frames = files.frame_after(from, described)?;
    while frames < described.frames {
        for header in files.headers(frames, (described.frames - frames).min(4096))? {
            if crc32c::crc32c(&files.bytes(header.offset, header.end())?) != header.crc {
                return Ok(Tail { bytes: header.offset, frames });
            }
            frames += 1;
        }
    }
    Ok(described)
}
