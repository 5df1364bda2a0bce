//! The tokens of code.

use std::borrow::Cow;
use std::ops::Range;

use crate::escapes;

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword. Its text is normalised: escapes resolved, compatibility forms
    /// replaced, as the interpreter does before it looks a name up.
    Name,
    /// An identifier that is being defined as a function, method or class here.
    Definition,
    /// A string literal without code in it.
    Text,
    /// A literal part of a template literal or f-string that has code in it.
    Piece,
    /// A number.
    Number,
    /// A regular expression literal.
    Regex,
    /// An operator, bracket or separator.
    Punct,
    /// A `)` whose `(` only groups: it calls nothing, declares nothing, heads no statement.
    GroupEnd,
    /// The end of a logical line, where the syntax has those.
    LineEnd,
}

/// A token: its kind, its place and its text.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// The offset of its start, in bytes.
    pub(crate) start: usize,
    /// The text as in the source, but for names.
    pub(crate) text: Cow<'a, str>,
    /// The offset of its end, in bytes; a name's text may be shorter than its source.
    pub(crate) end: usize,
}

impl<'a> Token<'a> {
    /// Creates a name, in use or being defined.
    pub(super) fn name(span: Range<usize>, text: Cow<'a, str>, defines: bool) -> Self {
        Self {
            kind: if defines {
                Kind::Definition
            } else {
                Kind::Name
            },
            start: span.start,
            text,
            end: span.end,
        }
    }
}

impl Token<'_> {
    /// Returns true for that operator.
    pub(crate) fn is_punct(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Punct | Kind::GroupEnd) && self.text == text
    }

    /// Returns true for that name in use.
    pub(crate) fn is_name(&self, text: &str) -> bool {
        self.kind == Kind::Name && self.text == text
    }

    /// Returns true if a template literal begins here, which calls a function named before it.
    pub(crate) fn opens_template(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Piece) && self.text.starts_with('`')
    }

    /// Returns its range in the source.
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the value of a string literal, with escapes resolved; `None` for other tokens.
    pub(crate) fn value(&self) -> Option<Cow<'_, str>> {
        if self.kind != Kind::Text {
            return None;
        }
        let at = self.text.find(['\'', '"', '`'])?;
        let (prefix, literal) = self.text.split_at(at);
        let quote = ["'''", "\"\"\"", "'", "\"", "`"]
            .into_iter()
            .find(|quote| literal.starts_with(quote) && literal.len() >= 2 * quote.len())?;
        let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(if prefix.contains(['r', 'R']) {
            Cow::Borrowed(inner)
        } else {
            escapes::resolve(inner)
        })
    }
}
