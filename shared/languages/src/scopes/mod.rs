//! Finds the names that a program defines itself, and where those definitions hold.
//!
//! A program's own `open(cell)` is not the `open` that a rule means. A definition counts in all of
//! its scope, before and after it, even if it is conditional or deleted again: where the answer
//! would take running the program, it is the honest author's. An alias of the very thing
//! (`open = io.open`) is no definition. Each walker makes one pass and keeps a stack of its own.

mod javascript;
mod javascript_frames;
mod names;
mod python;
mod python_frames;
mod seen;
mod tree;

pub(super) use names::Watched;
use seen::Seen;

use super::lexer::Token;
use super::syntax::Syntax;

/// Returns the indices of the tokens that use a name where the program's own definition holds, in
/// ascending order. Takes time linear in the code's length.
pub(super) fn own(
    watched: &Watched,
    syntax: Syntax,
    code: &str,
    tokens: &[Token<'_>],
) -> Vec<usize> {
    let seen = Seen {
        syntax,
        code,
        tokens,
        watched,
    };
    let is_watched = |token: &Token<'_>| !seen.set(token).is_empty();
    if !tokens.iter().any(is_watched) {
        return Vec::new();
    }
    match syntax {
        Syntax::Javascript => javascript::walk(&seen).own(),
        Syntax::Python => python::walk(&seen).own(),
        Syntax::None => Vec::new(),
    }
}
