//! The grammatical context of a position in a JavaScript program.
//!
//! It decides whether a `/` begins a regular expression and a `{` an object, which the characters
//! alone do not show.

/// The grammar's expectation of the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A statement: `{` is a block, `function` declares.
    Statement,
    /// An operand: `{` is an object, `function` is a value.
    Operand,
    /// The target of a declaration: `{` is a pattern, which reads like an object.
    Binding,
    /// Behind a declared name: a `/` begins the next statement.
    Declared,
    /// The body of an arrow function.
    ArrowBody,
    /// Behind an operand: `/` divides, `(` calls.
    Operator,
    /// The parenthesis of `if`, `while` and the like.
    Head,
}

/// An open bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    /// The program itself.
    Root,
    /// `(` around a part of an expression.
    Group,
    /// `(` of a call or of parameters.
    Call,
    /// `(` of a statement's head.
    Head,
    /// `[`.
    Square,
    /// `{` around statements.
    Block,
    /// `{` of an object literal.
    Object,
    /// `{` of a class.
    Class,
    /// `${`.
    Template,
}

/// A bracket that is still open.
#[derive(Debug)]
struct OpenBracket {
    bracket: Bracket,
    /// What is expected after its end.
    then: Expect,
    /// The `?` in it whose `:` is still to come.
    ternaries: usize,
    /// The index of the token that opened it.
    opener: usize,
}

/// A `function` or `class` whose `{` is still to come.
#[derive(Debug)]
struct Pending {
    bracket: Bracket,
    then: Expect,
    /// The number of brackets that were open.
    depth: usize,
}

/// The meaning of a `)` or `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It ends a group.
    Group,
    /// It ends the code in a template literal, whose text goes on.
    Template,
    /// It ends something else.
    Other,
}

/// The lexer's position in the program's grammar.
#[derive(Debug)]
pub(super) struct Context {
    expect: Expect,
    /// The expectation before the last token.
    before: Expect,
    frames: Vec<OpenBracket>,
    pending: Vec<Pending>,
    /// The index of the token that opened the last closed parenthesis.
    parenthesis: usize,
}

impl Context {
    /// Starts at the beginning of a program.
    pub(super) fn new() -> Self {
        Self {
            expect: Expect::Statement,
            before: Expect::Statement,
            frames: vec![OpenBracket {
                bracket: Bracket::Root,
                then: Expect::Statement,
                ternaries: 0,
                opener: 0,
            }],
            pending: Vec::new(),
            parenthesis: 0,
        }
    }

    /// Returns whether a `/` here begins a regular expression.
    pub(super) fn takes_regex(&self) -> bool {
        !matches!(
            self.expect,
            Expect::Operator | Expect::Binding | Expect::Head
        )
    }

    /// Records the end of a string, number, regular expression or template literal.
    pub(super) fn operand(&mut self) {
        self.set(Expect::Operator);
    }

    /// Records a name or keyword, given the token before it. Returns whether it names a function or
    /// class that is being defined.
    pub(super) fn name(&mut self, name: &str, previous: &str) -> bool {
        if matches!(previous, "." | "?.") || self.is_key(previous) {
            self.set(Expect::Operator);
            return false;
        }
        let depth = self.frames.len();
        let defined = self
            .pending
            .last()
            .is_some_and(|p| p.depth == depth && matches!(previous, "function" | "class" | "*"));
        let next = match name {
            "return" | "throw" | "typeof" | "void" | "delete" | "new" | "in" | "instanceof"
            | "case" | "default" | "extends" => Expect::Operand,
            "await" if self.expect == Expect::Head => Expect::Head,
            // Outside of async functions and generators these are names, but nobody's.
            "await" | "yield" => Expect::Operand,
            "var" | "let" | "const" => Expect::Binding,
            "of" if matches!(self.expect, Expect::Operator | Expect::Declared) => Expect::Operand,
            "else" | "do" | "try" | "finally" | "export" | "break" | "continue" | "debugger" => {
                Expect::Statement
            }
            "if" | "while" | "for" | "with" | "switch" | "catch" => Expect::Head,
            "function" | "class" => {
                let expect = match previous {
                    "async" => self.before,
                    "default" => Expect::Statement,
                    _ => self.expect,
                };
                self.pending.push(Pending {
                    bracket: match name {
                        "class" => Bracket::Class,
                        _ => Bracket::Block,
                    },
                    // After an operand there can be no function value: the line has ended.
                    then: match expect {
                        Expect::Operand | Expect::ArrowBody => Expect::Operator,
                        _ => Expect::Statement,
                    },
                    depth,
                });
                Expect::Operator
            }
            _ if self.expect == Expect::Binding => Expect::Declared,
            _ => Expect::Operator,
        };
        self.set(next);
        defined
    }

    /// Records an operator or separator that is no bracket; `fresh` if it is the first of its line.
    pub(super) fn punct(&mut self, text: &str, fresh: bool) {
        let bracket = self.bracket();
        let ternaries = self.frames.last_mut().map(|frame| &mut frame.ternaries);
        let next = match (text, ternaries) {
            ("?", Some(ternaries)) => {
                *ternaries += 1;
                Expect::Operand
            }
            (":", Some(ternaries)) if *ternaries > 0 => {
                *ternaries -= 1;
                Expect::Operand
            }
            (":" | ";", _) if matches!(bracket, Bracket::Root | Bracket::Block) => {
                Expect::Statement
            }
            ("=>", _) => Expect::ArrowBody,
            // `a?.(b)` calls.
            ("." | "?.", _) => Expect::Operator,
            // After an operand of the same line it is a postfix.
            ("++" | "--", _) if self.expect == Expect::Operator && !fresh => Expect::Operator,
            _ => Expect::Operand,
        };
        self.set(next);
    }

    /// Records a `(` or `[`.
    pub(super) fn open(&mut self, opener: u8, index: usize) {
        let (bracket, then) = match (opener, self.expect) {
            (b'[', _) => (Bracket::Square, Expect::Operator),
            (_, Expect::Head) => (Bracket::Head, Expect::Statement),
            (_, Expect::Operator | Expect::Declared) => (Bracket::Call, Expect::Operator),
            _ => (Bracket::Group, Expect::Operator),
        };
        self.push(bracket, then, index);
    }

    /// Records a `{`, given the token before it. If it begins the body of a method, returns the
    /// index of the `(` of its parameters.
    pub(super) fn open_brace(&mut self, previous: &str, index: usize) -> Option<usize> {
        let depth = self.frames.len();
        let (bracket, then, method) = match self.expect {
            Expect::Statement | Expect::Declared | Expect::ArrowBody => {
                (Bracket::Block, Expect::Statement, None)
            }
            Expect::Operand | Expect::Binding => (Bracket::Object, Expect::Operator, None),
            Expect::Operator | Expect::Head => match self.pending.pop_if(|p| p.depth == depth) {
                Some(pending) => (pending.bracket, pending.then, None),
                None => {
                    let method = previous == ")" && self.holds_keys();
                    let parameters = method.then_some(self.parenthesis);
                    (Bracket::Block, Expect::Statement, parameters)
                }
            },
        };
        self.push(bracket, then, index);
        method
    }

    /// Records a `${`.
    pub(super) fn open_template(&mut self, index: usize) {
        self.push(Bracket::Template, Expect::Operator, index);
    }

    /// Records a `)`, `]` or `}`. Ignores one that does not match what is open.
    pub(super) fn close(&mut self, closer: u8) -> Closed {
        let fits = self.frames.pop_if(|frame| match frame.bracket {
            Bracket::Root => false,
            Bracket::Group | Bracket::Call | Bracket::Head => closer == b')',
            Bracket::Square => closer == b']',
            _ => closer == b'}',
        });
        let Some(frame) = fits else {
            self.set(Expect::Operator);
            return Closed::Other;
        };
        let depth = self.frames.len();
        while self.pending.pop_if(|p| p.depth > depth).is_some() {}
        self.set(frame.then);
        match frame.bracket {
            Bracket::Template => return Closed::Template,
            Bracket::Group | Bracket::Call | Bracket::Head => self.parenthesis = frame.opener,
            _ => {}
        }
        match frame.bracket {
            Bracket::Group => Closed::Group,
            _ => Closed::Other,
        }
    }

    fn set(&mut self, expect: Expect) {
        self.before = self.expect;
        self.expect = expect;
    }

    fn push(&mut self, bracket: Bracket, then: Expect, opener: usize) {
        self.frames.push(OpenBracket {
            bracket,
            then,
            ternaries: 0,
            opener,
        });
        self.set(match bracket {
            Bracket::Root | Bracket::Block | Bracket::Class => Expect::Statement,
            _ => Expect::Operand,
        });
    }

    fn bracket(&self) -> Bracket {
        self.frames
            .last()
            .map_or(Bracket::Root, |frame| frame.bracket)
    }

    /// Returns true if methods can be defined directly here.
    fn holds_keys(&self) -> bool {
        matches!(self.bracket(), Bracket::Object | Bracket::Class)
    }

    /// Returns whether a name after that token is a property's key, even if it is a keyword.
    fn is_key(&self, previous: &str) -> bool {
        self.holds_keys()
            && matches!(
                previous,
                "{" | "," | ";" | "}" | "static" | "get" | "set" | "async"
            )
    }
}
