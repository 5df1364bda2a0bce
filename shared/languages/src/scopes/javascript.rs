//! The scopes of JavaScript: functions, blocks, heads of loops, and what an arrow points at.

use super::{PROGRAM, Scopes, Seen, Set};
use crate::lexer::{Kind, Token};

/// Finds the scopes of a program.
pub(super) fn walk(seen: &Seen<'_>) -> Scopes {
    let mut walker = JavaScriptWalker {
        seen: *seen,
        scopes: Scopes::new(),
        frames: vec![Frame::new(FrameKind::Brace, PROGRAM, PROGRAM)],
        closed: None,
        own: Set::default(),
        importing: false,
    };
    for (i, token) in seen.tokens.iter().enumerate() {
        walker.step(i, token);
    }
    walker.scopes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
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
enum Head {
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
enum Declares {
    Var,
    Lexical,
}

/// An open bracket, or a part of the program that ends without one.
#[derive(Debug)]
struct Frame {
    kind: FrameKind,
    scope: usize,
    /// The scope of the function around.
    function: usize,
    /// The names that it binds if it is a pattern or holds parameters.
    pattern: Set,
    /// The declaration that is being read.
    declares: Option<Declares>,
    /// Whether a declared name or pattern is expected.
    expects: bool,
    /// The declaration whose pattern this bracket is.
    declared: Option<Declares>,
    /// Whether a `class` waits for its `{`.
    class: bool,
}

impl Frame {
    fn new(kind: FrameKind, scope: usize, function: usize) -> Self {
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

/// The last parenthesis that was closed.
#[derive(Clone, Copy, Debug)]
struct ClosedParenthesis {
    /// The index of its `)`.
    end: usize,
    head: Head,
    scope: usize,
    pattern: Set,
}

struct JavaScriptWalker<'a> {
    seen: Seen<'a>,
    scopes: Scopes,
    /// Never empty: the first is the program.
    frames: Vec<Frame>,
    closed: Option<ClosedParenthesis>,
    /// The name of the function expression or class expression whose `(` or `{` comes next.
    own: Set,
    /// Whether an `import` statement lists its names.
    importing: bool,
}

impl<'a> JavaScriptWalker<'a> {
    fn step(&mut self, i: usize, token: &'a Token<'a>) {
        if self.begins_statement(i, token) {
            self.end_statement();
        }
        let expects = std::mem::take(&mut self.frame().expects);
        match token.kind {
            Kind::Definition => self.definition(i, token),
            Kind::Name if !self.seen.is_member(i) => self.name(i, token, expects),
            Kind::Piece => self.piece(token),
            Kind::Punct | Kind::GroupEnd => self.punct(i, token, expects),
            Kind::Text => self.importing = false,
            _ => {}
        }
        self.begin_loop_body(i);
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames
                .push(Frame::new(FrameKind::Brace, PROGRAM, PROGRAM));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Returns whether a line's end before this token has ended a statement.
    fn begins_statement(&self, i: usize, token: &Token<'_>) -> bool {
        let begins = match token.kind {
            Kind::Name => !matches!(&*token.text, "in" | "instanceof" | "of"),
            Kind::Number | Kind::Definition => true,
            Kind::Text => !token.opens_template(),
            _ => false,
        };
        let Some(before) = self.seen.before(i).filter(|_| begins) else {
            return false;
        };
        let ends = match before.kind {
            Kind::Name => !is_operator(&before.text),
            Kind::Number | Kind::Text | Kind::Regex => true,
            Kind::Piece => before.text.ends_with('`'),
            Kind::Punct | Kind::GroupEnd => [")", "]", "}"].iter().any(|end| before.is_punct(end)),
            _ => false,
        };
        let head = self
            .closed
            .is_some_and(|closed| closed.end + 1 == i && closed.head != Head::Other);
        ends && !head && self.fresh(i)
    }

    /// Returns whether a line ends before this token.
    fn fresh(&self, i: usize) -> bool {
        let (Some(before), Some(token)) = (self.seen.before(i), self.seen.at(i)) else {
            return true;
        };
        let space = self.seen.code.get(before.end..token.start);
        space.is_none_or(|space| space.contains(['\n', '\r', '\u{2028}', '\u{2029}']))
    }

    fn end_statement(&mut self) {
        while self
            .frames
            .pop_if(|frame| matches!(frame.kind, FrameKind::ArrowValue | FrameKind::LoopBody))
            .is_some()
        {}
        self.frame().declares = None;
        self.importing = false;
    }

    /// Reads the name of a function, class or method that is being defined.
    fn definition(&mut self, i: usize, token: &Token<'_>) {
        let set = self.seen.set(token);
        let star = usize::from(self.seen.follows(i, &["*"]));
        let Some(at) = i.checked_sub(1 + star).filter(|_| !set.is_empty()) else {
            return;
        };
        let is_class = self.seen.is_name(at, "class");
        if !is_class && !self.seen.is_name(at, "function") {
            // A method: its name is a member.
            return;
        }
        if self.is_value(at) {
            self.own = set;
        } else if is_class {
            let scope = self.frame().scope;
            self.scopes.bind(scope, set);
        } else {
            // Outside of strict mode, functions in blocks are the whole function's.
            let scope = self.frame().function;
            self.scopes.bind(scope, set);
        }
    }

    /// Returns whether the `function` or `class` at a token is part of an expression.
    fn is_value(&self, at: usize) -> bool {
        let at = match self.seen.before(at) {
            Some(before) if before.is_name("async") => at - 1,
            _ => at,
        };
        // `case 1:` and `default:` are before statements, `a:` before a property's value.
        let is_label = self.seen.follows(at, &[":"])
            && at >= 3
            && (self.seen.is_name(at - 3, "case") || self.seen.is_name(at - 2, "default"));
        self.seen
            .before(at)
            .is_some_and(|before| match before.kind {
                Kind::Punct if is_label => false,
                Kind::Punct => ![";", "}", "{", ")"].iter().any(|end| before.is_punct(end)),
                Kind::Name => {
                    is_operator(&before.text) && !matches!(&*before.text, "else" | "do" | "default")
                }
                Kind::Piece => true,
                _ => false,
            })
    }

    fn name(&mut self, i: usize, token: &'a Token<'a>, expects: bool) {
        let is_key = self.seen.is_punct(i + 1, ":") || self.seen.is_punct(i + 1, "(");
        match &*token.text {
            "let" | "const" | "var" if !is_key => {
                let declares = match &*token.text {
                    "var" => Declares::Var,
                    _ => Declares::Lexical,
                };
                let frame = self.frame();
                frame.declares = Some(declares);
                frame.expects = true;
            }
            "class" if !is_key => self.frame().class = true,
            "import" if !is_key && !self.seen.is_punct(i + 1, ".") => self.importing = true,
            "from" if self.seen.at(i + 1).is_some_and(|t| t.kind == Kind::Text) => {
                self.importing = false;
            }
            _ => {
                let set = self.seen.set(token);
                if !set.is_empty() {
                    self.watched(i, token, set, expects);
                }
            }
        }
    }

    /// Reads a watched name: it is bound here, or used.
    fn watched(&mut self, i: usize, token: &'a Token<'a>, set: Set, expects: bool) {
        let seen = self.seen;
        let assigns = seen.assigns(i + 1);
        let alias = assigns && seen.is_alias(i + 2, &token.text);
        let used_at_once = seen.precedes(i, &["(", ".", "?.", "["])
            || seen.at(i + 1).is_some_and(Token::opens_template);
        let (scope, function) = (self.frame().scope, self.frame().function);
        if self.importing {
            if !seen.is_name(i + 1, "as") {
                self.scopes.bind(PROGRAM, set);
            }
        } else if expects && !used_at_once {
            if !alias {
                let declares = self.frame().declares;
                self.scopes.bind(place(declares, scope, function), set);
            }
        } else if assigns && !alias && self.begins_assignment(i) {
            self.scopes.assign(scope, set);
        } else {
            let is_part = seen.follows(i, &["(", ",", "[", "{", ":", "..."])
                && (assigns || seen.precedes(i, &[",", ")", "]", "}"]));
            if is_part && !alias {
                let frame = self.frame();
                frame.pattern = frame.pattern.with(set);
            }
            self.scopes.used(i, set, scope);
        }
    }

    /// Returns whether a name that `=` follows is at the beginning of a statement.
    fn begins_assignment(&mut self, i: usize) -> bool {
        let in_class = self.frame().kind == FrameKind::ClassBody;
        let in_brackets = matches!(
            self.frame().kind,
            FrameKind::Parenthesis(_) | FrameKind::Square
        );
        !in_class && !in_brackets && (self.seen.follows(i, &[";", "}", ")"]) || self.fresh(i))
    }

    fn punct(&mut self, i: usize, token: &Token<'_>, expects: bool) {
        match &*token.text {
            "(" => self.open_parenthesis(i),
            "[" => {
                let scope = self.scopes_open();
                self.push(FrameKind::Square, scope, expects);
            }
            "{" => self.open_brace(i, expects),
            ")" | "]" | "}" => self.close(i, &token.text),
            "=>" => self.arrow(i),
            ";" => self.end_statement(),
            "," => {
                while self
                    .frames
                    .pop_if(|frame| frame.kind == FrameKind::ArrowValue)
                    .is_some()
                {}
                let frame = self.frame();
                frame.expects = frame.declares.is_some();
            }
            _ => {}
        }
    }

    fn scopes_open(&mut self) -> usize {
        let around = self.frame().scope;
        self.scopes.open(around)
    }

    fn push(&mut self, kind: FrameKind, scope: usize, expects: bool) {
        let (function, declares) = (self.frame().function, self.frame().declares);
        let mut frame = Frame::new(kind, scope, function);
        frame.declared = declares.filter(|_| expects);
        self.frames.push(frame);
    }

    fn open_parenthesis(&mut self, i: usize) {
        let before = self.seen.before(i).filter(|_| !self.seen.is_member(i - 1));
        let head = match before.filter(|t| t.kind == Kind::Name).map(|t| &*t.text) {
            Some("if" | "while" | "switch" | "with") => Head::Condition,
            Some("for") => Head::Loop,
            Some("catch") => Head::Catch,
            Some("await") if i >= 2 && self.seen.is_name(i - 2, "for") => Head::Loop,
            _ => Head::Other,
        };
        let scope = self.scopes_open();
        if before.is_some_and(|t| t.kind == Kind::Definition) {
            let own = std::mem::take(&mut self.own);
            self.scopes.bind(scope, own);
        }
        self.push(FrameKind::Parenthesis(head), scope, false);
    }

    fn open_brace(&mut self, i: usize, expects: bool) {
        let closed = self.closed.filter(|closed| closed.end + 1 == i);
        let arrow = self.seen.follows(i, &["=>"]);
        let is_class = std::mem::take(&mut self.frame().class);
        let head = closed.map(|closed| closed.head);
        let around = match closed {
            // The body of a function, method, loop or `catch` is in the scope of its head.
            Some(closed) if closed.head != Head::Condition => closed.scope,
            _ => self.frame().scope,
        };
        if let Some(closed) = closed.filter(|c| matches!(c.head, Head::Other | Head::Catch)) {
            self.scopes.bind(closed.scope, closed.pattern);
        }
        let scope = self.scopes.open(around);
        if is_class {
            let own = std::mem::take(&mut self.own);
            self.scopes.bind(scope, own);
            return self.push(FrameKind::ClassBody, scope, false);
        }
        self.push(FrameKind::Brace, scope, expects);
        if arrow || head == Some(Head::Other) {
            self.frame().function = scope;
        }
    }

    fn arrow(&mut self, i: usize) {
        let closed = self.closed.filter(|closed| closed.end + 1 == i);
        let around = closed.map_or_else(|| self.frame().scope, |closed| closed.scope);
        let names = match closed {
            Some(closed) => closed.pattern,
            None => self
                .seen
                .before(i)
                .map(|before| self.seen.set(before))
                .unwrap_or_default(),
        };
        // The parameters' own scope, which a body in braces is in as well.
        let scope = self.scopes.open(around);
        self.scopes.bind(scope, names);
        if let Some(closed) = closed {
            self.scopes.bind(closed.scope, names);
        }
        self.push(FrameKind::ArrowValue, scope, false);
        self.frame().function = scope;
    }

    /// Begins the single statement that a loop's head is followed by.
    fn begin_loop_body(&mut self, i: usize) {
        let closed = self
            .closed
            .filter(|closed| closed.end == i && closed.head == Head::Loop);
        if let Some(closed) = closed.filter(|_| !self.seen.is_punct(i + 1, "{")) {
            self.push(FrameKind::LoopBody, closed.scope, false);
        }
    }

    fn close(&mut self, i: usize, bracket: &str) {
        while self
            .frames
            .pop_if(|frame| matches!(frame.kind, FrameKind::ArrowValue | FrameKind::LoopBody))
            .is_some()
        {}
        if self.frames.len() == 1 {
            return;
        }
        let fits = self.frames.pop_if(|frame| match frame.kind {
            FrameKind::Parenthesis(_) => bracket == ")",
            FrameKind::Square => bracket == "]",
            FrameKind::Brace | FrameKind::ClassBody => bracket == "}",
            _ => false,
        });
        let Some(frame) = fits else { return };
        match frame.kind {
            FrameKind::Parenthesis(head) => {
                self.closed = Some(ClosedParenthesis {
                    end: i,
                    head,
                    scope: frame.scope,
                    pattern: frame.pattern,
                });
            }
            FrameKind::Square | FrameKind::Brace => self.closed_pattern(i, &frame),
            _ => {}
        }
    }

    /// Binds the names of a pattern that is declared, or passes them on to the pattern around it.
    fn closed_pattern(&mut self, i: usize, frame: &Frame) {
        let (scope, function) = (self.frame().scope, self.frame().function);
        let of_global = self.seen.assigns(i + 1)
            && self
                .seen
                .at(i + 2)
                .is_some_and(|value| self.seen.syntax.is_global(&value.text));
        if of_global {
            // `const { eval } = globalThis` is the same `eval`.
        } else if frame.declared.is_some() {
            self.scopes
                .bind(place(frame.declared, scope, function), frame.pattern);
        } else {
            let around = self.frame();
            around.pattern = around.pattern.with(frame.pattern);
        }
    }

    /// Enters or leaves the code in a template literal.
    fn piece(&mut self, token: &Token<'_>) {
        if token.text.starts_with('}') {
            while self
                .frames
                .pop_if(|frame| matches!(frame.kind, FrameKind::ArrowValue | FrameKind::LoopBody))
                .is_some()
            {}
            self.frames
                .pop_if(|frame| frame.kind == FrameKind::Template);
        }
        if token.text.ends_with("${") {
            let scope = self.scopes_open();
            self.push(FrameKind::Template, scope, false);
        }
    }
}

fn place(declares: Option<Declares>, scope: usize, function: usize) -> usize {
    match declares {
        Some(Declares::Var) => function,
        _ => scope,
    }
}

/// Returns whether a word is followed by an operand or a statement of its own.
fn is_operator(word: &str) -> bool {
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
