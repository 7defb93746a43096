//! The forms in which tools print a value.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What encoders escape that write a value for any place of a URL.
const ANYWHERE_IN_A_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What Go's `net/url` escapes in a user's name and password.
const USER_OF_A_URL: &AsciiSet =
    &ANYWHERE_IN_A_URL.remove(b'$').remove(b'&').remove(b'+').remove(b',').remove(b';').remove(b'=');
/// What Go's `encoding/json` escapes beside what JSON demands; so do terraform's `jsonencode` and helm's `toJson`.
const GOS_JSON: [(char, &str); 5] =
    [('&', "\\u0026"), ('<', "\\u003c"), ('>', "\\u003e"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
const XML: [(char, &str); 5] = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;")];

/// A value as it is, in JSON, in JSON as Go writes it, in a text of JSON in JSON, as Go quotes it (`%q`), in XML, for a
/// shell, in a URL, in hexadecimal digits and in base64, where it may begin at any of three places.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let json = in_json(secret);
    let gos_json = replaced(&json, &GOS_JSON);
    let hex = hex::encode(bytes);
    let mut forms = vec![
        secret.to_owned(),
        in_json(&json),
        in_json(&gos_json),
        json,
        gos_json,
        quoted_by_go(secret),
        replaced(secret, &XML),
        secret.replace('\'', "'\\''"),
        hex.to_uppercase(),
        hex,
    ];
    let in_url = utf8_percent_encode(secret, ANYWHERE_IN_A_URL).to_string();
    let in_query = in_url.replace("%20", "+");
    let in_user = utf8_percent_encode(secret, USER_OF_A_URL).to_string();
    for in_url in [in_url, in_query, in_user] {
        forms.extend([with_small_digits(&in_url), in_url]);
    }
    for shift in 0..3 {
        let padded = [&vec![0; shift][..], bytes].concat();
        let known = (shift * 8).div_ceil(6)..padded.len() * 8 / 6;
        forms.extend(
            [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&padded)[known.clone()].to_owned()),
        );
    }
    forms
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// No replacement may hold what a later one looks for.
fn replaced(text: &str, replacements: &[(char, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

/// JSON has other words than Go for what cannot be printed.
fn quoted_by_go(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars() {
        // Writing to a string cannot fail.
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\x07' => write!(quoted, "\\a"),
            '\x08' => write!(quoted, "\\b"),
            '\t' => write!(quoted, "\\t"),
            '\n' => write!(quoted, "\\n"),
            '\x0b' => write!(quoted, "\\v"),
            '\x0c' => write!(quoted, "\\f"),
            '\r' => write!(quoted, "\\r"),
            '\0'..='\x1f' | '\x7f' => write!(quoted, "\\x{:02x}", u32::from(character)),
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => write!(quoted, "\\u{:04x}", u32::from(character)),
            _ => write!(quoted, "{character}"),
        };
    }
    quoted
}

/// `%2f` for `%2F`: both are in use.
fn with_small_digits(in_url: &str) -> String {
    let mut parts = in_url.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |url, part| format!("{url}%{}{}", part[..2].to_ascii_lowercase(), &part[2..]))
}

#[cfg(test)]
mod tests {
    use super::super::Masker;

    /// The encoder that stands before a text has made it: one of Go's, bash or python; a hand, where none is named.
    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let secret = "p@ss w0rd/+&=$,;:?#%<>\"'\\~!é**";
        for (encoder, printed, shown) in [
            ("%s", "p@ss w0rd/+&=$,;:?#%<>\"'\\~!é**", "***"),
            ("json, no HTML", r#"p@ss w0rd/+&=$,;:?#%<>\"'\\~!é**"#, "***"),
            ("json", r#"p@ss w0rd/+\u0026=$,;:?#%\u003c\u003e\"'\\~!é**"#, "***"),
            ("json in json, no HTML", r#"p@ss w0rd/+&=$,;:?#%<>\\\"'\\\\~!é**"#, "***"),
            ("json in json", r#"p@ss w0rd/+\\u0026=$,;:?#%\\u003c\\u003e\\\"'\\\\~!é**"#, "***"),
            ("html.EscapeString", r"p@ss w0rd/+&amp;=$,;:?#%&lt;&gt;&#34;&#39;\~!é**", "***"),
            ("bash ${@Q}", r#"'p@ss w0rd/+&=$,;:?#%<>"'\''\~!é**'"#, "'***'"),
            ("url.QueryEscape", "p%40ss+w0rd%2F%2B%26%3D%24%2C%3B%3A%3F%23%25%3C%3E%22%27%5C~%21%C3%A9%2A%2A", "***"),
            ("", "p%40ss+w0rd%2f%2b%26%3d%24%2c%3b%3a%3f%23%25%3c%3e%22%27%5c~%21%c3%a9%2a%2a", "***"),
            ("python quote", "p%40ss%20w0rd%2F%2B%26%3D%24%2C%3B%3A%3F%23%25%3C%3E%22%27%5C~%21%C3%A9%2A%2A", "***"),
            ("", "p%40ss%20w0rd%2f%2b%26%3d%24%2c%3b%3a%3f%23%25%3c%3e%22%27%5c~%21%c3%a9%2a%2a", "***"),
            ("url.UserPassword", "u:p%40ss%20w0rd%2F+&=$,;%3A%3F%23%25%3C%3E%22%27%5C~%21%C3%A9%2A%2A", "u:***"),
            ("", "p%40ss%20w0rd%2f+&=$,;%3a%3f%23%25%3c%3e%22%27%5c~%21%c3%a9%2a%2a", "***"),
            ("hex", "7040737320773072642f2b263d242c3b3a3f23253c3e22275c7e21c3a92a2a", "***"),
            ("%X", "7040737320773072642F2B263D242C3B3A3F23253C3E22275C7E21C3A92A2A", "***"),
            ("base64", "cEBzcyB3MHJkLysmPSQsOzo/IyU8PiInXH4hw6kqKg==", "***g=="),
            ("base64, URL", "cEBzcyB3MHJkLysmPSQsOzo_IyU8PiInXH4hw6kqKg==", "***g=="),
            ("base64 behind u", "dXBAc3MgdzByZC8rJj0kLDs6PyMlPD4iJ1x+IcOpKio=", "dX***o="),
            ("base64, URL, behind u", "dXBAc3MgdzByZC8rJj0kLDs6PyMlPD4iJ1x-IcOpKio=", "dX***o="),
            ("base64 behind u:", "dTpwQHNzIHcwcmQvKyY9JCw7Oj8jJTw+IidcfiHDqSoq", "dTp***"),
            ("base64, URL, behind u:", "dTpwQHNzIHcwcmQvKyY9JCw7Oj8jJTw-IidcfiHDqSoq", "dTp***"),
        ] {
            assert_eq!(masked(secret, printed), shown, "{encoder}");
        }
        let secret = "not\x07\x08\x0c\n\r\t\x0b\0\x1b\x7f\u{85}\u{2028}\u{2029}\"printable\"";
        for (encoder, printed) in [
            ("%q", r#""not\a\b\f\n\r\t\v\x00\x1b\x7f\u0085\u2028\u2029\"printable\"""#),
            ("json", "\"not\\u0007\\b\\f\\n\\r\\t\\u000b\\u0000\\u001b\x7f\u{85}\\u2028\\u2029\\\"printable\\\"\""),
            (
                "python json",
                "\"not\\u0007\\b\\f\\n\\r\\t\\u000b\\u0000\\u001b\x7f\u{85}\u{2028}\u{2029}\\\"printable\\\"\"",
            ),
        ] {
            assert_eq!(masked(secret, printed), "\"***\"", "{encoder}");
        }
    }

    fn masked(secret: &str, printed: &str) -> String {
        let mut masker = Masker::default();
        masker.add(secret);
        masker.text(printed)
    }
}
