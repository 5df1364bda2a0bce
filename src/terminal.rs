//! Escapes control characters for terminals, which then show them and do not obey them.
//!
//! A program's output, and any text of a server, could otherwise set the window's title, write to
//! the clipboard (OSC 52), or erase lines and print a verdict of its own in their place. Files and
//! pipes get every byte as it is.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;

/// Returns the text for that stream: escaped if it is a terminal, unchanged if it is not.
pub fn text_for<'a>(stream: &impl IsTerminal, text: &'a str) -> Cow<'a, str> {
    if stream.is_terminal() {
        visible(text)
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns the bytes for that stream, by the rule of [`text_for`].
pub fn bytes_for<'a>(stream: &impl IsTerminal, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    if !stream.is_terminal() {
        return Cow::Borrowed(bytes);
    }
    match visible(&String::from_utf8_lossy(bytes)) {
        Cow::Borrowed(text) if text.len() == bytes.len() => Cow::Borrowed(bytes),
        text => Cow::Owned(text.into_owned().into_bytes()),
    }
}

/// Escapes what a terminal would obey, in the form that JSON has: `\u001b`. Answers in JSON stay
/// JSON of the same value.
pub fn visible(text: &str) -> Cow<'_, str> {
    let Some((first, _)) = text.char_indices().find(|&(at, c)| is_obeyed(text, at, c)) else {
        return Cow::Borrowed(text);
    };
    let (plain, rest) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(plain);
    for (at, c) in rest.char_indices() {
        if is_obeyed(rest, at, c) {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a terminal would do something else than show the character, or show those
/// around it in another order or on another line.
fn is_obeyed(text: &str, at: usize, c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // The end of a line, as Windows has it. Alone it would go back to overwrite the line.
        '\r' => !text[at + 1..].starts_with('\n'),
        // Unicode Standard Annex #9: embeddings, overrides and isolates. Then the separators of
        // lines and paragraphs.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, expected) in [
            ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
            ("\x1b]52;c;aGk=\x1b\\", r"\u001b]52;c;aGk=\u001b\"),
            (
                "a\x1b[1A\x1b[2K✓ completed",
                r"a\u001b[1A\u001b[2K✓ completed",
            ),
            (
                "\u{9b}2K \u{9d}52;c;x\u{9c} \u{85}",
                r"\u009b2K \u009d52;c;x\u009c \u0085",
            ),
            ("50 %\r60 %\r\n", "50 %\\u000d60 %\r\n"),
            ("end\r", r"end\u000d"),
            ("a\x08b\x7f\0", r"a\u0008b\u007f\u0000"),
            ("\u{202e}txt\u{2066}\u{2069}", r"\u202etxt\u2066\u2069"),
            ("a\u{2028}b\u{2029}", r"a\u2028b\u2029"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_and_line_ends_are_left_alone() {
        for text in ["", "a\tb\r\nc\n", "ä 你 🐇 \u{200d} \u{fe0f}", r"\u001b"] {
            assert!(
                matches!(visible(text), Cow::Borrowed(same) if same == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn no_character_is_left_that_is_obeyed_and_no_other_is_changed() {
        for c in '\0'..=char::MAX {
            let text = format!("a{c}b");
            let shown = visible(&text);
            assert!(
                shown
                    .chars()
                    .all(|c| c == '\n' || c == '\t' || !c.is_control())
            );
            assert!(shown == text || shown.starts_with("a\\u"), "{c:?}");
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({"stdout": "\u{9b}2K\x1b\u{202e}\u{7f}\r\n"});
        let shown = visible(&value.to_string()).into_owned();
        assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
