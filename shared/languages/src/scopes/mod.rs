//! Finds the names that a program defines itself, and where those definitions hold.
//!
//! A program's own `open(cell)` is not the `open` that a rule means. A definition counts in all of
//! its scope, before and after it, even if it is conditional or deleted again: where the answer
//! would take running the program, it is the honest author's. An alias of the very thing
//! (`open = io.open`) is no definition. Each walker makes one pass and keeps a stack of its own.

mod javascript;
mod python;

use std::collections::HashMap;

use super::lexer::{Kind, Token};
use super::syntax::Syntax;

/// The most names that are watched. Further names of a rule file count as never redefined.
const MAX_NAMES: usize = 128;

/// The most tokens before an alias that only group it (`((0, eval))`), and the most after it.
const MAX_GROUPING: usize = 8;

/// A set of watched names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set(u128);

impl Set {
    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The names whose definitions are looked for: those that rules and loaders speak of.
#[derive(Debug)]
pub(super) struct Watched {
    names: HashMap<String, Set>,
}

impl Watched {
    /// Watches the first [`MAX_NAMES`] different names.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut watched = HashMap::new();
        for name in names {
            let next = watched.len();
            if next < MAX_NAMES {
                watched.entry(name.to_owned()).or_insert(Set(1 << next));
            }
        }
        Self { names: watched }
    }

    /// Returns the indices of the tokens that use a name where the program's own definition holds,
    /// in ascending order. Takes time linear in the code's length.
    pub(super) fn own(&self, syntax: Syntax, code: &str, tokens: &[Token<'_>]) -> Vec<usize> {
        let seen = Seen {
            syntax,
            code,
            tokens,
            watched: self,
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

    fn set(&self, name: &str) -> Set {
        self.names.get(name).copied().unwrap_or_default()
    }
}

/// A program, as the walkers see it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    syntax: Syntax,
    code: &'a str,
    tokens: &'a [Token<'a>],
    watched: &'a Watched,
}

impl<'a> Seen<'a> {
    fn at(&self, i: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(i)
    }

    fn before(&self, i: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(i.checked_sub(1)?)
    }

    /// Returns the watched name of a token, as a set: empty if it is none.
    fn set(&self, token: &Token<'_>) -> Set {
        match token.kind {
            Kind::Name | Kind::Definition => self.watched.set(&token.text),
            _ => Set::default(),
        }
    }

    fn is_punct(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|token| token.is_punct(text))
    }

    fn is_name(&self, i: usize, text: &str) -> bool {
        self.at(i).is_some_and(|token| token.is_name(text))
    }

    /// Returns whether the token before is one of these operators.
    fn follows(&self, i: usize, texts: &[&str]) -> bool {
        self.before(i)
            .is_some_and(|token| texts.iter().any(|text| token.is_punct(text)))
    }

    /// Returns whether the token after is one of these operators.
    fn precedes(&self, i: usize, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is_punct(i + 1, text))
    }

    fn is_member(&self, i: usize) -> bool {
        self.follows(i, &[".", "?."])
    }

    /// Returns whether an operator follows the one before without space: `=` and `=` are `==`.
    fn joins(&self, i: usize, texts: &[&str]) -> bool {
        let (Some(before), Some(token)) = (self.before(i), self.at(i)) else {
            return false;
        };
        before.end == token.start && texts.iter().any(|text| before.is_punct(text))
    }

    /// Returns whether the token is the `=` of an assignment or a default.
    fn assigns(&self, i: usize) -> bool {
        self.is_punct(i, "=")
            && !self.joins(i, &["=", "!", "<", ">"])
            && !(self.is_punct(i + 1, "=") && self.joins(i + 1, &["="]))
    }

    /// Returns whether a value is that name's own: `open`, `io.open`, `(0, eval)`.
    fn is_alias(&self, mut at: usize, name: &str) -> bool {
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
    fn is_home(&self, module: &str) -> bool {
        self.syntax == Syntax::Python && matches!(module, "io" | "importlib" | "_io")
            || self.syntax.is_global(module)
    }

    /// Returns whether a value that begins with `root` makes a `require` of Node's.
    fn is_loader(&self, root: &str, name: &str) -> bool {
        self.syntax == Syntax::Javascript
            && name == "require"
            && matches!(root, "module" | "createRequire" | "process")
    }
}

/// A scope.
#[derive(Debug)]
struct Scope {
    parent: usize,
    /// Whether functions in it do not see its names: the body of a class in Python.
    is_class: bool,
    bound: Set,
}

/// The scope of the whole program.
const PROGRAM: usize = 0;

/// The scopes of a program, its definitions, and its uses of watched names.
#[derive(Debug)]
struct Scopes {
    scopes: Vec<Scope>,
    uses: Vec<(usize, Set, usize)>,
    /// Assignments that declare nothing, with the scope that they are in.
    assigned: Vec<(usize, Set)>,
}

impl Scopes {
    fn new() -> Self {
        Self {
            scopes: vec![Scope {
                parent: PROGRAM,
                is_class: false,
                bound: Set::default(),
            }],
            uses: Vec::new(),
            assigned: Vec::new(),
        }
    }

    /// Adds a scope in an earlier one.
    fn open(&mut self, parent: usize) -> usize {
        self.scopes.push(Scope {
            parent,
            is_class: false,
            bound: Set::default(),
        });
        self.scopes.len() - 1
    }

    /// Adds the scope of a class, whose functions do not see its names.
    fn open_class(&mut self, parent: usize) -> usize {
        let scope = self.open(parent);
        self.scopes[scope].is_class = true;
        scope
    }

    fn parent(&self, scope: usize) -> usize {
        self.scopes[scope].parent
    }

    fn bind(&mut self, scope: usize, names: Set) {
        let bound = &mut self.scopes[scope].bound;
        *bound = bound.with(names);
    }

    /// Records an assignment: it defines a global name unless the name is declared around it.
    fn assign(&mut self, scope: usize, names: Set) {
        self.assigned.push((scope, names));
    }

    fn used(&mut self, token: usize, name: Set, scope: usize) {
        self.uses.push((token, name, scope));
    }

    /// Returns the names that are defined in each scope or around it.
    fn visible(&self) -> Vec<Set> {
        // Names that scopes within see. A scope's parent is always before it.
        let mut within: Vec<Set> = Vec::with_capacity(self.scopes.len());
        let mut here = Vec::with_capacity(self.scopes.len());
        for scope in &self.scopes {
            let around = within.get(scope.parent).copied().unwrap_or_default();
            let all = around.with(scope.bound);
            here.push(all);
            within.push(if scope.is_class { around } else { all });
        }
        here
    }

    fn own(mut self) -> Vec<usize> {
        if !self.assigned.is_empty() {
            let visible = self.visible();
            for (scope, names) in std::mem::take(&mut self.assigned) {
                self.bind(PROGRAM, names.without(visible[scope]));
            }
        }
        let visible = self.visible();
        self.uses
            .iter()
            .filter(|(_, name, scope)| visible[*scope].meets(*name))
            .map(|(token, ..)| *token)
            .collect()
    }
}
