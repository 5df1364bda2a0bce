//! The state of a walk through JavaScript: open brackets and declarations.

use super::names::Set;
use crate::lexer::{Kind, Token};

/// A kind of bracket, or of part that ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JavaScriptFrameKind {
    Parenthesis(Head),
    Square,
    /// A block, a function's body or an object, which declares nothing.
    Brace,
    ClassBody,
    /// The code in a template literal.
    Template,
    /// The value of an arrow function without braces.
    ArrowValue,
    /// The single statement of a loop.
    LoopBody,
}

/// What a parenthesis is the head of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// `if`, `while`, `switch`, `with`: it binds nothing.
    Condition,
    Loop,
    /// `catch`: it binds what is caught.
    Catch,
    /// Parameters or arguments: what follows tells.
    Other,
}

/// The scope that a declaration binds in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declares {
    Var,
    Lexical,
}

/// An open bracket, or a part of the program that ends without one.
#[derive(Debug)]
pub(super) struct JavaScriptFrame {
    pub(super) kind: JavaScriptFrameKind,
    pub(super) scope: usize,
    /// The scope of the function around.
    pub(super) function: usize,
    /// The names that it binds if it is a pattern or holds parameters.
    pub(super) pattern: Set,
    /// The declaration that is being read.
    pub(super) declares: Option<Declares>,
    /// Whether a declared name or pattern is expected.
    pub(super) expects: bool,
    /// The declaration whose pattern this bracket is.
    pub(super) declared: Option<Declares>,
    /// Whether a `class` waits for its `{`.
    pub(super) class: bool,
}

impl JavaScriptFrame {
    pub(super) fn new(kind: JavaScriptFrameKind, scope: usize, function: usize) -> Self {
        Self {
            kind,
            scope,
            function,
            pattern: Set::default(),
            declares: None,
            expects: false,
            declared: None,
            class: false,
        }
    }
}

impl JavaScriptFrame {
    /// Returns whether it ends without a bracket of its own.
    pub(super) fn is_value(&self) -> bool {
        matches!(
            self.kind,
            JavaScriptFrameKind::ArrowValue | JavaScriptFrameKind::LoopBody
        )
    }
}

/// The last parenthesis that was closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClosedParenthesis {
    /// The index of its `)`.
    pub(super) end: usize,
    pub(super) head: Head,
    pub(super) scope: usize,
    pub(super) pattern: Set,
}

/// Returns the scope that a declaration binds in.
pub(super) fn place(declares: Option<Declares>, scope: usize, function: usize) -> usize {
    match declares {
        Some(Declares::Var) => function,
        _ => scope,
    }
}

/// Returns whether a token can begin a statement, and cannot continue one.
pub(super) fn can_begin(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Name => !matches!(&*token.text, "in" | "instanceof" | "of"),
        Kind::Number | Kind::Definition => true,
        Kind::Text => !token.opens_template(),
        _ => false,
    }
}

/// Returns whether a token can end a statement.
pub(super) fn can_end(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Name => !is_operator(&token.text),
        Kind::Number | Kind::Text | Kind::Regex => true,
        Kind::Piece => token.text.ends_with('`'),
        Kind::Punct | Kind::GroupEnd => [")", "]", "}"].iter().any(|end| token.is_punct(end)),
        _ => false,
    }
}

/// Returns whether a word is followed by an operand or a statement of its own.
pub(super) fn is_operator(word: &str) -> bool {
    matches!(
        word,
        "return"
            | "throw"
            | "typeof"
            | "void"
            | "delete"
            | "new"
            | "in"
            | "of"
            | "instanceof"
            | "case"
            | "default"
            | "extends"
            | "await"
            | "yield"
            | "else"
            | "do"
            | "export"
            | "async"
            | "let"
            | "const"
            | "var"
            | "function"
            | "class"
            | "get"
            | "set"
            | "static"
    )
}
