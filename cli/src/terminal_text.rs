//! What somebody else's text may do to the terminal of who reads it: have colours, and nothing else. It writes no clipboard,
//! moves no cursor, hides nothing and turns no text around.

use std::fmt::Write as _;

use anstyle_parse::{Params, Parser, Perform};

/// The parameter that makes text invisible, and those that a colour of its own follows.
const CONCEAL: u16 = 8;
const COLOURS: [u16; 3] = [38, 48, 58];

/// One stream of such text, in pieces.
#[derive(Default)]
pub(crate) struct TerminalText(Parser);

impl TerminalText {
    /// What to show of the next piece.
    pub(crate) fn shown(&mut self, bytes: &[u8]) -> String {
        let mut shown = Shown::default();
        for &byte in bytes {
            if byte == b'\n' {
                // A sequence without an end would swallow the lines that follow.
                self.0 = Parser::default();
            }
            self.0.advance(&mut shown, byte);
        }
        shown.0
    }
}

/// What to show of a whole text.
pub(crate) fn shown(text: &str) -> String {
    TerminalText::default().shown(text.as_bytes())
}

#[derive(Default)]
struct Shown(String);

impl Perform for Shown {
    fn print(&mut self, character: char) {
        match character {
            // They turn text around, and order other characters than they seem to.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(self.0, "<U+{:04X}>", u32::from(character));
            }
            character if character.is_control() => {}
            character => self.0.push(character),
        }
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\r' | b'\t') {
            self.0.push(char::from(byte));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], is_cut_off: bool, action: u8) {
        if action != b'm' || is_cut_off || !intermediates.is_empty() || conceals(params) {
            return;
        }
        let joined = |numbers: &[u16]| numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
        let params: Vec<_> = params.iter().map(joined).collect();
        let _ = write!(self.0, "\u{1b}[{}m", params.join(";"));
    }
}

fn conceals(params: &Params) -> bool {
    let mut params = params.iter();
    while let Some(param) = params.next() {
        match param {
            [CONCEAL, ..] => return true,
            // Its numbers are no parameters: one of 256 colours, or red, green and blue.
            [colour] if COLOURS.contains(colour) => match params.next() {
                Some([5]) => drop(params.next()),
                Some([2]) => drop(params.nth(2)),
                _ => {}
            },
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_its_colours_are_shown() {
        for same in [
            "one\n\ttwo\r\n",
            "\u{1b}[1m\u{1b}[31mError:\u{1b}[0m\n",
            "\u{1b}[38;5;8mgrey\u{1b}[39m",
            "\u{1b}[38;2;8;8;8mdark\u{1b}[0m",
            "\u{1b}[4:3mcurly\u{1b}[24m",
            "é 👩‍🚀 <img src=x onerror=1>",
        ] {
            assert_eq!(shown(same), same);
        }
    }

    #[test]
    fn nothing_is_done_to_the_terminal() {
        for (text, expected) in [
            ("a\u{1b}]52;c;cm0gLXJm\u{7}b", "ab"),
            ("a\u{1b}]0;title\u{1b}\\b", "ab"),
            ("\u{1b}]8;;javascript:x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("1 to destroy\u{1b}[2J\u{1b}[1A\u{1b}[2K\u{1b}[Hdone", "1 to destroydone"),
            ("\u{1b}[8mhidden\u{1b}[28m", "hidden\u{1b}[28m"),
            ("\u{1b}[31;8mhidden", "hidden"),
            ("\u{1b}Pq#0\u{1b}\\a\u{1b}_x\u{1b}\\b\u{1b}^y\u{1b}\\c", "abc"),
            ("\u{1b}cab\u{8}\u{7}\0", "ab"),
            ("\u{9b}2Ja\u{9d}52;c;x\u{9c}", "2Ja52;c;x"),
            ("\u{202e}evil\u{2066}", "<U+202E>evil<U+2066>"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_sequence_without_an_end_hides_no_other_line() {
        let endless = format!("\u{1b}[{}\nseen\n", "1;".repeat(100_000));
        for text in [
            "\n\u{1b}]0;\nseen\n",
            "\u{1b}[1\nseen\n",
            "\u{1b}]52;c;\nseen\n",
            "\u{1b}P\nseen\n",
            "\u{1b}_\nseen\n",
            "\u{1b}X\nseen\n",
            &endless,
        ] {
            let shown = shown(text);
            assert!(shown.ends_with("\nseen\n"), "{shown:?}");
        }
    }

    #[test]
    fn where_the_pieces_end_changes_nothing() {
        let text = "a\u{1b}[31mé\u{1b}]52;c;x\u{7}b\u{1b}[8mc\n\u{1b}]0;\nd";
        for end in 0..text.len() {
            let (one, two) = text.as_bytes().split_at(end);
            let mut pieces = TerminalText::default();
            assert_eq!(pieces.shown(one) + &pieces.shown(two), shown(text), "{end}");
        }
    }
}
