//! Blanks out comments and strings, for rules that are regular expressions.

use super::lexer::{Kind, Token};

/// Returns the code with spaces for comments and for the contents of strings and regular
/// expressions. It keeps the length and the lines, so that an offset in it is one in the code.
pub(super) fn mask(code: &str, tokens: &[Token<'_>]) -> String {
    let mut masked = String::with_capacity(code.len());
    let mut at = 0;
    for token in tokens {
        blank(&code[at..token.start], &mut masked);
        let source = &code[token.span()];
        match token.kind {
            Kind::Text | Kind::Piece | Kind::Regex => quoted(source, &mut masked),
            _ => masked.push_str(source),
        }
        at = token.end;
    }
    blank(&code[at..], &mut masked);
    masked
}

/// Appends a literal of which only the prefix, the quotes and the braces remain.
fn quoted(source: &str, masked: &mut String) {
    let is_mark = |c: char| matches!(c, '\'' | '"' | '`' | '{' | '}' | '/' | ':');
    let open = source
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(source.len());
    let open = open
        + source[open..]
            .chars()
            .next()
            .filter(|c| is_mark(*c))
            .map_or(0, char::len_utf8);
    let close = source[open..]
        .char_indices()
        .next_back()
        .filter(|(_, c)| is_mark(*c))
        .map_or(source.len(), |(i, _)| open + i);
    masked.push_str(&source[..open]);
    blank(&source[open..close], masked);
    masked.push_str(&source[close..]);
}

fn blank(text: &str, masked: &mut String) {
    for c in text.chars() {
        match c {
            '\n' | '\r' => masked.push(c),
            c => masked.extend(std::iter::repeat_n(' ', c.len_utf8())),
        }
    }
}
