//! The flood: numbered lines of 80 bytes, the same for whoever writes and whoever checks.

/// Bytes of a line with its newline.
pub const LINE_BYTES: usize = 80;
const LINES_PER_BLOCK: u64 = 1024;
const TEXT: &[u8; 63] = b" aws_subnet.private[3]: Still creating... [10s elapsed], id=0f2";

/// Hands over `lines` lines, a block at a time.
///
/// # Errors
/// Those of `block`.
pub fn in_blocks(lines: u64, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut block = Vec::new();
    let mut next = 0;
    while next < lines {
        block.clear();
        let end = (next + LINES_PER_BLOCK).min(lines);
        for number in next..end {
            block.extend_from_slice(&digits(number));
            block.extend_from_slice(TEXT);
            block.push(b'\n');
        }
        take(&block)?;
        next = end;
    }
    Ok(())
}

fn digits(number: u64) -> [u8; 16] {
    let digit = |place: usize| b"0123456789abcdef"[(number >> (4 * (15 - place)) & 15) as usize];
    std::array::from_fn(digit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_have_their_length_and_number() {
        let mut out = Vec::new();
        super::in_blocks(1500, |block| {
            out.extend_from_slice(block);
            Ok(())
        })
        .unwrap();
        assert_eq!(out.len(), 1500 * super::LINE_BYTES);
        let last = out.rsplit(|byte| *byte == b'\n').nth(1).unwrap();
        assert!(last.starts_with(b"00000000000005db "));
    }
}
