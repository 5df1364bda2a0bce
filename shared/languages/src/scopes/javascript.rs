//! The scopes of JavaScript: functions, blocks, heads of loops, and what an arrow points at.

use super::javascript_frames::{
    ClosedParenthesis, Declares, Head, JavaScriptFrame, JavaScriptFrameKind, can_begin, can_end,
    is_operator, place,
};
use super::names::Set;
use super::seen::Seen;
use super::tree::{PROGRAM, Scopes};
use crate::lexer::{Kind, Token};

/// Finds the scopes of a program.
pub(super) fn walk(seen: &Seen<'_>) -> Scopes {
    let mut walker = JavaScriptWalker {
        seen: *seen,
        scopes: Scopes::new(),
        frames: vec![JavaScriptFrame::new(
            JavaScriptFrameKind::Brace,
            PROGRAM,
            PROGRAM,
        )],
        closed: None,
        own: Set::default(),
        importing: false,
    };
    for (i, token) in seen.tokens.iter().enumerate() {
        walker.step(i, token);
    }
    walker.scopes
}

struct JavaScriptWalker<'a> {
    seen: Seen<'a>,
    scopes: Scopes,
    /// Never empty: the first is the program.
    frames: Vec<JavaScriptFrame>,
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

    fn frame(&mut self) -> &mut JavaScriptFrame {
        if self.frames.is_empty() {
            self.frames.push(JavaScriptFrame::new(
                JavaScriptFrameKind::Brace,
                PROGRAM,
                PROGRAM,
            ));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Returns whether a line's end before this token has ended a statement.
    fn begins_statement(&self, i: usize, token: &Token<'_>) -> bool {
        let Some(before) = self.seen.before(i).filter(|_| can_begin(token)) else {
            return false;
        };
        let head = self
            .closed
            .is_some_and(|closed| closed.end + 1 == i && closed.head != Head::Other);
        can_end(before) && !head && self.fresh(i)
    }

    /// Returns whether a line ends before this token.
    fn fresh(&self, i: usize) -> bool {
        let (Some(before), Some(token)) = (self.seen.before(i), self.seen.at(i)) else {
            return true;
        };
        let space = self.seen.code.get(before.end..token.start);
        space.is_none_or(|space| space.contains(['\n', '\r', '\u{2028}', '\u{2029}']))
    }

    /// Leaves what ends without a bracket of its own.
    fn end_values(&mut self) {
        while self.frames.pop_if(|frame| frame.is_value()).is_some() {}
    }

    fn end_statement(&mut self) {
        self.end_values();
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
        let in_class = self.frame().kind == JavaScriptFrameKind::ClassBody;
        let in_brackets = matches!(
            self.frame().kind,
            JavaScriptFrameKind::Parenthesis(_) | JavaScriptFrameKind::Square
        );
        !in_class && !in_brackets && (self.seen.follows(i, &[";", "}", ")"]) || self.fresh(i))
    }

    fn punct(&mut self, i: usize, token: &Token<'_>, expects: bool) {
        match &*token.text {
            "(" => self.open_parenthesis(i),
            "[" => {
                let scope = self.scopes_open();
                self.push(JavaScriptFrameKind::Square, scope, expects);
            }
            "{" => self.open_brace(i, expects),
            ")" | "]" | "}" => self.close(i, &token.text),
            "=>" => self.arrow(i),
            ";" => self.end_statement(),
            "," => {
                while self
                    .frames
                    .pop_if(|frame| frame.kind == JavaScriptFrameKind::ArrowValue)
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

    fn push(&mut self, kind: JavaScriptFrameKind, scope: usize, expects: bool) {
        let (function, declares) = (self.frame().function, self.frame().declares);
        let mut frame = JavaScriptFrame::new(kind, scope, function);
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
        self.push(JavaScriptFrameKind::Parenthesis(head), scope, false);
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
            return self.push(JavaScriptFrameKind::ClassBody, scope, false);
        }
        self.push(JavaScriptFrameKind::Brace, scope, expects);
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
        self.push(JavaScriptFrameKind::ArrowValue, scope, false);
        self.frame().function = scope;
    }

    /// Begins the single statement that a loop's head is followed by.
    fn begin_loop_body(&mut self, i: usize) {
        let closed = self
            .closed
            .filter(|closed| closed.end == i && closed.head == Head::Loop);
        if let Some(closed) = closed.filter(|_| !self.seen.is_punct(i + 1, "{")) {
            self.push(JavaScriptFrameKind::LoopBody, closed.scope, false);
        }
    }

    fn close(&mut self, i: usize, bracket: &str) {
        self.end_values();
        if self.frames.len() == 1 {
            return;
        }
        let fits = self.frames.pop_if(|frame| match frame.kind {
            JavaScriptFrameKind::Parenthesis(_) => bracket == ")",
            JavaScriptFrameKind::Square => bracket == "]",
            JavaScriptFrameKind::Brace | JavaScriptFrameKind::ClassBody => bracket == "}",
            _ => false,
        });
        let Some(frame) = fits else { return };
        match frame.kind {
            JavaScriptFrameKind::Parenthesis(head) => {
                self.closed = Some(ClosedParenthesis {
                    end: i,
                    head,
                    scope: frame.scope,
                    pattern: frame.pattern,
                });
            }
            JavaScriptFrameKind::Square | JavaScriptFrameKind::Brace => {
                self.closed_pattern(i, &frame);
            }
            _ => {}
        }
    }

    /// Binds the names of a pattern that is declared, or passes them on to the pattern around it.
    fn closed_pattern(&mut self, i: usize, frame: &JavaScriptFrame) {
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
            self.end_values();
            self.frames
                .pop_if(|frame| frame.kind == JavaScriptFrameKind::Template);
        }
        if token.text.ends_with("${") {
            let scope = self.scopes_open();
            self.push(JavaScriptFrameKind::Template, scope, false);
        }
    }
}
