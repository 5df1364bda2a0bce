//! From source text to tokens: comments and space dropped, strings whole, the code inside
//! template literals and f-strings as code. Every lexer is one pass over the text with a stack of
//! its own, so that its time is linear and no nesting can exhaust ours. What it does not
//! understand it passes over: broken programs are the interpreter's to complain about.

mod cursor;
mod javascript;
mod javascript_context;
mod python;
mod token;

pub(super) use token::{Kind, Token};

use super::syntax::Syntax;

/// The tokens of a text; none if the syntax has no lexer.
pub(super) fn lex(syntax: Syntax, code: &str) -> Vec<Token<'_>> {
    match syntax {
        Syntax::Javascript => javascript::lex(code),
        Syntax::Python => python::lex(code),
        Syntax::None => Vec::new(),
    }
}
