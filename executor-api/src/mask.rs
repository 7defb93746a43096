//! Hides secrets in a stream of bytes, wherever the stream was cut.

mod forms;
mod view;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Bound;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Match, MatchKind, packed};

use self::forms::forms;
use self::view::View;

const SHOWN: &[u8] = b"***";
/// Shorter values would mask half of every log.
const MIN_BYTES: usize = 6;

/// Finds secrets and their usual encodings. Without secrets it copies nothing.
#[derive(Default)]
pub(crate) struct Masker {
    patterns: BTreeSet<Vec<u8>>,
    longest: usize,
    /// Built when a text comes: secrets become known one by one, and many a job prints nothing.
    search: OnceCell<Search>,
}

impl Masker {
    /// Adds a secret in all its forms.
    pub(crate) fn add(&mut self, secret: &str) {
        let before = self.patterns.len();
        for whole_or_line in std::iter::once(secret).chain(secret.lines()) {
            let part = whole_or_line.trim_matches(['\r', '\n']);
            if part.trim().len() >= MIN_BYTES {
                let long_enough = forms(part).into_iter().filter(|form| form.len() >= MIN_BYTES);
                self.patterns.extend(long_enough.map(String::into_bytes));
            }
        }
        if self.patterns.len() != before {
            self.longest = self.patterns.iter().map(Vec::len).max().unwrap_or(0);
            self.search.take();
        }
    }

    /// Takes bytes of a stream and gives out what is safe to show.
    ///
    /// Held back is only the end of an unfinished line that may be the beginning of a secret.
    pub(crate) fn feed(&self, held: &mut Vec<u8>, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let Some(search) = search(&self.search, &self.patterns) else { return out(bytes) };
        held.extend_from_slice(bytes);
        let views = View::all(held);
        let open = views.iter().filter_map(|view| view.place(view.text.len() - self.open_suffix(&view.text)));
        let first_open = open.min().unwrap_or(held.len());
        let (shown, rest) = replace(search, held, &views, first_open);
        *held = rest;
        if !shown.is_empty() {
            out(&shown);
        }
    }

    /// Gives out what is held back. Nothing follows: what could have been the beginning of a longer secret may still be
    /// a whole one.
    pub(crate) fn finish(&self, held: &mut Vec<u8>, out: &mut dyn FnMut(&[u8])) {
        let held = std::mem::take(held);
        if !held.is_empty() {
            out(&self.whole(&held));
        }
    }

    /// Masks a whole text.
    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.whole(text.as_bytes())).into_owned()
    }

    fn whole<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(search) = search(&self.search, &self.patterns) else { return bytes.into() };
        replace(search, bytes, &View::all(bytes), bytes.len()).0.into()
    }

    /// How many bytes at the end may be the beginning of a secret. A line end clears it: every line of a secret of
    /// several lines is a pattern of its own.
    fn open_suffix(&self, bytes: &[u8]) -> usize {
        let line = bytes.iter().rposition(|&b| b == b'\n').map_or(bytes, |end| &bytes[end + 1..]);
        let first = line.len().saturating_sub(self.longest.saturating_sub(1));
        (first..line.len()).find(|&start| self.is_beginning(&line[start..])).map_or(0, |start| line.len() - start)
    }

    /// Whether a pattern begins with `bytes` and goes on: in their order it would be the next.
    fn is_beginning(&self, bytes: &[u8]) -> bool {
        let next = self.patterns.range::<[u8], _>((Bound::Excluded(bytes), Bound::Unbounded)).next();
        next.is_some_and(|pattern| pattern.starts_with(bytes))
    }
}

/// Looks for all patterns at once, and finds the longest where several begin.
enum Search {
    /// A few of them, many bytes at a time.
    Few(packed::Searcher),
    /// Any number of them.
    Many(AhoCorasick),
}

impl Search {
    fn of(patterns: &BTreeSet<Vec<u8>>) -> Self {
        // The other one would look for it by the bytes that are rare in most texts; in hexadecimal digits those are digits.
        let mut few = packed::Config::new().match_kind(packed::MatchKind::LeftmostLongest).builder();
        few.extend(patterns);
        few.build().map_or_else(|| Self::Many(any_number(patterns)), Self::Few)
    }

    fn find_all<'a>(&'a self, text: &'a [u8]) -> Box<dyn Iterator<Item = Match> + 'a> {
        match self {
            Self::Few(few) => Box::new(few.find_iter(text)),
            Self::Many(many) => Box::new(many.find_iter(text)),
        }
    }
}

/// What cannot be hidden must not be shown: then the job ends here.
fn any_number(patterns: &BTreeSet<Vec<u8>>) -> AhoCorasick {
    // The other kind, a DFA, is hardly faster and long in the making: a millisecond and a megabyte for every two kilobytes
    // of patterns.
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostLongest).kind(Some(AhoCorasickKind::ContiguousNFA));
    builder.build(patterns).expect("secrets are far shorter than the 2 GiB that an automaton can number")
}

/// None if there is nothing to hide.
fn search<'a>(built: &'a OnceCell<Search>, patterns: &BTreeSet<Vec<u8>>) -> Option<&'a Search> {
    (!patterns.is_empty()).then(|| built.get_or_init(|| Search::of(patterns)))
}

/// What of `bytes` can be shown, and what has to wait for more: all from `first_open`.
fn replace(search: &Search, bytes: &[u8], views: &[View], first_open: usize) -> (Vec<u8>, Vec<u8>) {
    let mut found = Vec::new();
    for view in views {
        let ranges = search.find_all(&view.text).map(|secret| view.range(&secret.range()));
        found.extend(ranges.take_while(|range| range.start < first_open));
    }
    found.sort_by_key(|range| range.start);
    let mut shown = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in found {
        // Otherwise it is the rest of one that another view has begun.
        if range.start >= at {
            shown.extend_from_slice(&bytes[at..range.start]);
            shown.extend_from_slice(SHOWN);
        }
        at = at.max(range.end);
    }
    let safe = first_open.max(at);
    shown.extend_from_slice(&bytes[at..safe]);
    (shown, bytes[safe..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(secrets: &[&str], pieces: &[&[u8]]) -> Vec<u8> {
        let mut masker = Masker::default();
        for secret in secrets {
            masker.add(secret);
        }
        let (mut held, mut out) = (Vec::new(), Vec::new());
        for piece in pieces {
            masker.feed(&mut held, piece, &mut |bytes| out.extend_from_slice(bytes));
        }
        masker.finish(&mut held, &mut |bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn a_secret_is_hidden_wherever_the_stream_is_cut() {
        let text = b"before s3cr3t-value after s3cr3t-valu s3cr3t-value";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let shown = stream(&["s3cr3t-value"], &pieces);
                assert_eq!(shown, b"before *** after s3cr3t-valu ***", "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_change_of_colour_does_not_show_a_secret_wherever_the_stream_is_cut() {
        let text = b"\x1b[1mbefore\x1b[0m s3cr\x1b[31;1m3t-\x1b[0mvalue\x1b[0m after s3cr\x1b[0m3t\n";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let shown = String::from_utf8(stream(&["s3cr3t-value"], &pieces)).unwrap();
                let expected = "\x1b[1mbefore\x1b[0m ***\x1b[0m after s3cr\x1b[0m3t\n";
                assert_eq!(shown, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_secret_within_or_behind_an_escape_sequence_is_hidden_wherever_the_stream_is_cut() {
        for (text, expected) in [
            (
                "\x1b]8;;https://u:s3cr3t-value@host/\x1b\\link\x1b]8;;\x1b\\\n",
                "\x1b]8;;https://u:***@host/\x1b\\link\x1b]8;;\x1b\\\n",
            ),
            ("B \x1b]oops s3cr3t-value\n", "B \x1b]oops ***\n"),
            ("B \x1b]oops s3cr\x1b[1m3t-value\n", "B \x1b]oops ***\n"),
            ("B \x1bPq s3cr3t-value", "B \x1bPq ***"),
            ("\x1bs3cr3t-value", "\x1b***"),
            ("\x1b[s3cr3t-value", "\x1b[***"),
            ("\x1b[31s3cr3t-value\x1b[", "\x1b[31***\x1b["),
            ("s3cr\x1b(B\x1b[m3t-value\x1b(B", "***\x1b(B"),
        ] {
            for cut in 0..text.len() {
                let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
                let shown = String::from_utf8(stream(&["s3cr3t-value"], &pieces)).unwrap();
                assert_eq!(shown, expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn each_line_of_a_secret_is_hidden() {
        let shown = stream(&["-----BEGIN KEY-----\nMIIabcdef\nxy\n"], &[b"key: MIIabcdef\r\nxy\n"]);
        assert_eq!(shown, b"key: ***\r\nxy\n");
    }

    #[test]
    fn a_long_secret_is_hidden_and_costs_little() {
        let long = "a long secret, ".repeat(10_000);
        let mut masker = Masker::default();
        masker.add(&long);
        assert_eq!(masker.text(&format!("before {long} after")), "before *** after");
        let memory = match masker.search.get().unwrap() {
            Search::Few(few) => few.memory_usage(),
            Search::Many(many) => many.memory_usage(),
        };
        assert!(memory < 64 * 1024 * 1024);
    }

    #[test]
    fn short_values_mask_nothing() {
        assert_eq!(stream(&["", "a", "true", "\n"], &[b"a true story\n"]), b"a true story\n");
    }

    #[test]
    fn an_unfinished_line_that_is_no_secret_is_shown_at_once() {
        let mut masker = Masker::default();
        masker.add("s3cr3t-value");
        let mut out = Vec::new();
        masker.feed(&mut Vec::new(), b"Enter a value: ", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"Enter a value: ");
    }

    #[test]
    fn a_secret_at_the_end_is_hidden_though_it_begins_another_pattern() {
        for last in ['&', '%', '\'', '\\', '"', '<', ' '] {
            let secret = format!("Sup3r-S3cret{last}");
            let longer = format!("{secret}/path");
            for secrets in [&[&*secret][..], &[&secret, &longer]] {
                let mut masker = Masker::default();
                secrets.iter().for_each(|secret| masker.add(secret));
                assert_eq!(masker.text(&format!("is {secret}")), "is ***", "{secrets:?}");
                for cut in 0..secret.len() {
                    let pieces = [&secret.as_bytes()[..cut], &secret.as_bytes()[cut..]];
                    assert_eq!(stream(secrets, &pieces), SHOWN, "{secrets:?} cut at {cut}");
                }
            }
        }
    }

    /// Some begin another, so that the end of a text decides.
    const ALIKE: [&str; 6] = ["abaaba", "abaabab", "abaababbbb", "bababababa", "aaaaaaa", "aaaaaaaa"];

    fn cut_up<'a>(text: &'a str, cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = cuts.iter().map(|&cut| cut.min(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect()
    }

    fn words(of: &[&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(of.to_vec()), 0..12).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn pieces_and_whole_agree(
            text in words(&[&ALIKE[..], &["a", "b", "\n"]].concat()),
            cuts in prop::collection::vec(0usize..60, 0..8),
        ) {
            let shown = stream(&ALIKE, &cut_up(&text, &cuts));
            prop_assert_eq!(&shown, &stream(&ALIKE, &[text.as_bytes()]));
            for secret in ALIKE {
                prop_assert!(!shown.windows(secret.len()).any(|w| w == secret.as_bytes()));
            }
        }

        #[test]
        fn what_may_begin_a_secret_is_found_as_if_each_were_looked_at(
            patterns in prop::collection::btree_set("[ab]{1,9}".prop_map(String::into_bytes), 0..6),
            text in "[ab\n]{0,12}",
        ) {
            let line = text.rsplit('\n').next().unwrap().as_bytes();
            let begins = |rest: &&[u8]| patterns.iter().any(|p| p.len() > rest.len() && p.starts_with(rest));
            let open = (0..line.len()).map(|start| &line[start..]).find(begins).map_or(0, <[u8]>::len);
            let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
            let masker = Masker { patterns: patterns.clone(), longest, ..Masker::default() };
            prop_assert_eq!(masker.open_suffix(text.as_bytes()), open);
        }

        #[test]
        fn no_escape_sequence_shows_a_secret(
            text in words(&["s3cr3t-value", "s3cr", "3t-value", "\x1b", "\x1b]", "\x1b[1m", "\x1b(B", ";", "m", "\n"]),
            cuts in prop::collection::vec(0usize..60, 0..8),
        ) {
            let shown = stream(&["s3cr3t-value"], &cut_up(&text, &cuts));
            let shown = String::from_utf8(shown).unwrap();
            let without_colours = shown.replace("\x1b[1m", "").replace("\x1b(B", "");
            prop_assert!(!shown.contains("s3cr3t-value") && !without_colours.contains("s3cr3t-value"), "{shown:?}");
        }
    }
}
