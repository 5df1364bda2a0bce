//! Turns source text into tokens.
//!
//! Comments and space are dropped, strings are whole, and the code inside template literals and
//! f-strings is code. Each lexer makes one pass over the text and keeps a stack of its own, so that
//! its time is linear and no nesting can exhaust the thread's stack. It skips what it does not
//! understand, because the interpreter reports broken programs.

mod cursor;
mod javascript;
mod javascript_context;
mod python;
mod token;

pub(super) use token::{Kind, Token};

use super::syntax::Syntax;

/// Returns the tokens of a text; none if the syntax has no lexer.
pub(super) fn lex(syntax: Syntax, code: &str) -> Vec<Token<'_>> {
    match syntax {
        Syntax::Javascript => javascript::lex(code),
        Syntax::Python => python::lex(code),
        Syntax::None => Vec::new(),
    }
}
