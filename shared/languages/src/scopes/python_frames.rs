//! The state of a walk through Python: open blocks and brackets, and the statement.

use super::names::Set;

/// The words that begin a statement whose `:` ends its head.
pub(super) const HEADS: &[&str] = &[
    "if", "elif", "else", "for", "while", "with", "try", "except", "finally", "match", "case",
    "class", "def", "async",
];

/// The columns from one tab stop to the next, as Python counts indentation.
const TAB: usize = 8;

/// The extent of a function or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its `:` is still to come.
    Head,
    /// The rest of its line.
    Line,
    /// All lines that are indented deeper than its head.
    Lines,
}

/// A function or class that is not over.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) scope: usize,
    pub(super) extent: Extent,
    /// The column of its head.
    pub(super) indent: usize,
    /// Whether the next `(` holds its parameters.
    pub(super) takes_parameters: bool,
    pub(super) globals: Set,
}

/// An open bracket or lambda within a logical line.
#[derive(Debug)]
pub(super) struct PythonFrame {
    pub(super) kind: PythonFrameKind,
    pub(super) scope: usize,
    /// The scope that `:=` and parameters bind in here: a lambda's, a function's, or the block's.
    pub(super) binds: usize,
    /// The scope that names are bound in up to `in`, or up to the bracket's end.
    pub(super) target: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PythonFrameKind {
    /// `(`, `[` or `{`; each is a scope, for it may turn out to be a comprehension.
    Bracket(char),
    /// The `(` of a function's parameters.
    Parameters,
    /// A lambda before its `:`.
    LambdaHead,
    /// A lambda's value.
    LambdaBody,
    /// The code in an f-string.
    Field,
}

/// A statement's kind, as far as it says what names in it mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Global,
    Nonlocal,
    Import,
    /// `from x import …`; true if those are other things than the builtins.
    ImportFrom(bool),
    /// The pattern of a `case`.
    Pattern,
}

/// The statement that is being read.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) form: Form,
    /// The first token of it, or of what is behind its last `=`.
    pub(super) start: usize,
    /// Whether an annotation has begun.
    pub(super) annotated: bool,
    /// The scope that names are bound in up to `in`.
    pub(super) target: Option<usize>,
}

impl Statement {
    pub(super) fn at(start: usize) -> Self {
        Self {
            form: Form::Plain,
            start,
            annotated: false,
            target: None,
        }
    }
}

/// Returns the column behind white space at the beginning of a line.
pub(super) fn column_after(space: &str) -> usize {
    space.chars().fold(0, |column, c| match c {
        '\t' => (column / TAB + 1) * TAB,
        '\x0c' | '\u{feff}' => 0,
        _ => column + 1,
    })
}
