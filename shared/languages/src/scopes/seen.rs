//! A program as the walkers see it: questions about its tokens.

use super::names::{Set, Watched};
use crate::lexer::{Kind, Token};
use crate::syntax::Syntax;

/// The most tokens before an alias that only group it (`((0, eval))`), and the most after it.
const MAX_GROUPING: usize = 8;

/// A program, as the walkers see it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) syntax: Syntax,
    pub(super) code: &'a str,
    pub(super) tokens: &'a [Token<'a>],
    pub(super) watched: &'a Watched,
}

impl<'a> Seen<'a> {
    pub(super) fn at(&self, i: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(i)
    }

    pub(super) fn before(&self, i: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(i.checked_sub(1)?)
    }

    /// Returns the watched name of a token, as a set: empty if it is none.
    pub(super) fn set(&self, token: &Token<'_>) -> Set {
        match token.kind {
            Kind::Name | Kind::Definition => self.watched.set(&token.text),
            _ => Set::default(),
        }
    }

    pub(super) fn is_punct(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|token| token.is_punct(text))
    }

    pub(super) fn is_name(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|token| token.is_name(text))
    }

    /// Returns whether the token before is one of these operators.
    pub(super) fn follows(&self, i: usize, texts: &[&str]) -> bool {
        self.before(i)
            .is_some_and(|token| texts.iter().any(|text| token.is_punct(text)))
    }

    /// Returns whether the token after is one of these operators.
    pub(super) fn precedes(&self, i: usize, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is_punct(i + 1, text))
    }

    pub(super) fn is_member(&self, i: usize) -> bool {
        self.follows(i, &[".", "?."])
    }

    /// Returns whether an operator follows the one before without space: `=` and `=` are `==`.
    pub(super) fn joins(&self, i: usize, texts: &[&str]) -> bool {
        let (Some(before), Some(token)) = (self.before(i), self.at(i)) else {
            return false;
        };
        before.end == token.start && texts.iter().any(|text| before.is_punct(text))
    }

    /// Returns whether the token is the `=` of an assignment or a default.
    pub(super) fn assigns(&self, i: usize) -> bool {
        self.is_punct(i, "=")
            && !self.joins(i, &["=", "!", "<", ">"])
            && !(self.is_punct(i + 1, "=") && self.joins(i + 1, &["="]))
    }

    /// Returns whether a value is that name's own: `open`, `io.open`, `(0, eval)`.
    pub(super) fn is_alias(&self, mut at: usize, name: &str) -> bool {
        for _ in 0..MAX_GROUPING {
            match self.at(at) {
                Some(token) if token.kind == Kind::Number => at += 1,
                Some(token) if token.is_punct("(") || token.is_punct(",") => at += 1,
                _ => break,
            }
        }
        let Some(root) = self.at(at).filter(|token| token.kind == Kind::Name) else {
            return false;
        };
        if root.text == name || self.is_loader(&root.text, name) {
            return true;
        }
        if !self.syntax.is_global(&root.text) && !self.is_home(&root.text) {
            return false;
        }
        for _ in 0..MAX_GROUPING {
            if self.at(at + 1).is_some_and(|t| t.kind == Kind::GroupEnd) {
                at += 1;
            }
        }
        let by_dot = self.is_punct(at + 1, ".") || self.is_punct(at + 1, "?.");
        let by_key = || self.at(at + 2).and_then(Token::value);
        (by_dot && self.is_name(at + 2, name))
            || (self.is_punct(at + 1, "[") && by_key().is_some_and(|key| key == name))
    }

    /// Returns whether a module is where Python's builtins and loaders are also found.
    pub(super) fn is_home(&self, module: &str) -> bool {
        self.syntax == Syntax::Python && matches!(module, "io" | "importlib" | "_io")
            || self.syntax.is_global(module)
    }

    /// Returns whether a value that begins with `root` makes a `require` of Node's.
    pub(super) fn is_loader(&self, root: &str, name: &str) -> bool {
        self.syntax == Syntax::Javascript
            && name == "require"
            && matches!(root, "module" | "createRequire" | "process")
    }
}
