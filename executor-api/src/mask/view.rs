//! How bytes can be read: as they are, and without colours. A secret may have a change of colour in its middle.

use std::borrow::Cow;
use std::ops::Range;

const ESCAPE: u8 = 0x1b;

/// One way to read some bytes.
pub(super) struct View<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// Where each byte of the text stands; the same place, if the text is all there is.
    places: Option<Vec<usize>>,
}

impl<'a> View<'a> {
    /// All ways to read `bytes`. What stands in an escape sequence is in the first alone: a link has an address, and
    /// a sequence without an end would swallow the rest.
    pub(super) fn all(bytes: &'a [u8]) -> Vec<Self> {
        let mut views = vec![Self { text: Cow::Borrowed(bytes), places: None }];
        if bytes.contains(&ESCAPE) {
            views.push(Self::without_colours(bytes));
        }
        views
    }

    fn without_colours(bytes: &[u8]) -> Self {
        let (mut text, mut places) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            let hidden = colour(&bytes[at..]);
            if hidden == 0 {
                let end =
                    bytes[at + 1..].iter().position(|&byte| byte == ESCAPE).map_or(bytes.len(), |next| at + 1 + next);
                text.extend_from_slice(&bytes[at..end]);
                places.extend(at..end);
                at = end;
            }
            at += hidden;
        }
        Self { text: Cow::Owned(text), places: Some(places) }
    }

    /// Where the rest of the text from `index` begins in the bytes; there may be none.
    pub(super) fn place(&self, index: usize) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(index).copied(),
            None => (index < self.text.len()).then_some(index),
        }
    }

    /// Where a part of the text, which is not empty, stands in the bytes.
    pub(super) fn range(&self, part: &Range<usize>) -> Range<usize> {
        match &self.places {
            Some(places) => places[part.start]..places[part.end - 1] + 1,
            None => part.clone(),
        }
    }
}

/// How long the sequence is that `bytes` begin with, if it changes only how text looks: a colour (`ESC [ 31 m`) or a
/// set of characters (`ESC ( B`). One that is cut off is as long as what is there.
fn colour(bytes: &[u8]) -> usize {
    let (inner, last) = match bytes {
        [ESCAPE, b'[', ..] => (b' '..=b'?', b'@'..=b'~'),
        [ESCAPE, b' '..=b'/', ..] => (b' '..=b'/', b'0'..=b'~'),
        [ESCAPE] => return 1,
        _ => return 0,
    };
    let end = 2 + bytes[2..].iter().take_while(|byte| inner.contains(byte)).count();
    match bytes.get(end) {
        None => end,
        Some(byte) if last.contains(byte) => end + 1,
        Some(_) => 0,
    }
}
