//! Frames become pieces for a viewer: neighbours of one stream are joined, characters stay whole.

use wire::{FrameHeader, JobId, LogEntry, LogStream, Timestamp};

/// Frames are joined up to about this size; a larger frame stands alone.
const JOINED_BYTES: u64 = 64 << 10;

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it came from.
    pub stream: LogStream,
    /// When its first byte was read from the tool.
    pub at: Timestamp,
    /// Offset of its first byte in the job's log.
    pub start: u64,
    /// Offset after its last byte: what a reader resumes with.
    pub end: u64,
    /// The bytes, as the tool wrote them.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// As the contract shows it; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn into_wire(self, job_id: JobId) -> LogEntry {
        let log_chunk = String::from_utf8(self.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        LogEntry { id: self.end, job_id, log_chunk, stream_type: self.stream, created_at: self.at }
    }
}

/// Where an entry lies, before its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) stream: LogStream,
    pub(super) at: Timestamp,
    pub(super) start: u64,
    pub(super) end: u64,
    /// The bytes that follow are of the same stream, or may still come.
    pub(super) goes_on: bool,
}

/// Joins neighbours of one stream. `may_grow` says that more may follow the last.
pub(super) fn join(headers: &[FrameHeader], may_grow: bool) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for header in headers {
        if let Some(last) = spans.last_mut() {
            if last.stream == header.stream && header.end() - last.start <= JOINED_BYTES {
                last.end = header.end();
                continue;
            }
            last.goes_on = last.stream == header.stream;
        }
        let FrameHeader { stream, at, offset: start, .. } = *header;
        spans.push(Span { stream, at, start, end: header.end(), goes_on: may_grow });
    }
    spans
}

/// How many of the bytes to show now, so that no character is torn: at most 3 less than there are.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return bytes.len(),
        };
        return if back < needed { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unfinished_character_is_held_back() {
        let text = "aé€😀";
        for cut in 0..=text.len() {
            let whole = whole_characters(&text.as_bytes()[..cut]);
            assert!(text.is_char_boundary(whole) && cut - whole <= 3, "{cut} -> {whole}");
            assert!(text.is_char_boundary(cut) == (whole == cut), "{cut} -> {whole}");
        }
        for invalid in [&b"\x80\x80\x80\x80"[..], b"\xFF", b"a\xC0", b"", b"\x80"] {
            assert_eq!(whole_characters(invalid), invalid.len(), "{invalid:?}");
        }
    }
}
