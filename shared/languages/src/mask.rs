//! The code with what is no code blanked out, for the rules that are regular expressions.

use super::lexer::{Kind, Token};

/// The text in which comments and the contents of strings and regular expressions are spaces. It
/// has the same length and the same lines as the code, so that a place in it is one in the code.
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

/// A literal with its prefix, quotes and braces left standing.
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
