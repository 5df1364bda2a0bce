//! The scopes of Python: functions, classes, lambdas and comprehensions.

use super::names::Set;
use super::python_frames::{
    Block, Extent, Form, HEADS, PythonFrame, PythonFrameKind, Statement, column_after,
};
use super::seen::Seen;
use super::tree::{PROGRAM, Scopes};
use crate::lexer::{Kind, Token};

/// Finds the scopes of a program.
pub(super) fn walk(seen: &Seen<'_>) -> Scopes {
    let mut walker = PythonWalker {
        seen: *seen,
        scopes: Scopes::new(),
        blocks: Vec::new(),
        frames: Vec::new(),
        statement: Statement::at(0),
        indent: None,
    };
    for (i, token) in seen.tokens.iter().enumerate() {
        walker.step(i, token);
    }
    walker.scopes
}

struct PythonWalker<'a> {
    seen: Seen<'a>,
    scopes: Scopes,
    blocks: Vec<Block>,
    frames: Vec<PythonFrame>,
    statement: Statement,
    /// The column of this logical line; `None` before its first token.
    indent: Option<usize>,
}

impl<'a> PythonWalker<'a> {
    fn step(&mut self, i: usize, token: &'a Token<'a>) {
        if token.kind == Kind::LineEnd {
            return self.line_end(i);
        }
        if self.indent.is_none() {
            self.line_start(i, token);
        }
        match token.kind {
            Kind::Definition => self.definition(i, token),
            Kind::Name if !self.seen.is_member(i) => self.name(i, token),
            Kind::Piece => self.piece(token),
            Kind::Punct | Kind::GroupEnd => self.punct(i, token),
            _ => {}
        }
    }

    fn line_end(&mut self, i: usize) {
        self.frames.clear();
        while self
            .blocks
            .pop_if(|block| block.extent != Extent::Lines)
            .is_some()
        {}
        self.statement = Statement::at(i + 1);
        self.indent = None;
    }

    fn line_start(&mut self, i: usize, token: &Token<'_>) {
        let from = self.seen.before(i).map_or(0, |before| before.end);
        let space = self.seen.code.get(from..token.start).unwrap_or_default();
        let indent = column_after(space);
        while self.blocks.pop_if(|block| block.indent >= indent).is_some() {}
        self.indent = Some(indent);
    }

    /// Returns the scope here.
    fn scope(&self) -> usize {
        match self.frames.last() {
            Some(frame) => frame.scope,
            None => self.block_scope(),
        }
    }

    /// Returns the scope of the function or class here, which statements bind names in.
    fn block_scope(&self) -> usize {
        self.blocks.last().map_or(PROGRAM, |block| block.scope)
    }

    fn bind(&mut self, scope: usize, names: Set) {
        let globals = self
            .blocks
            .last()
            .filter(|block| block.scope == scope)
            .map_or(Set::default(), |block| block.globals);
        self.scopes.bind(scope, names.without(globals));
        if names.meets(globals) {
            self.scopes.bind(PROGRAM, Set(names.0 & globals.0));
        }
    }

    /// Reads the name behind `def` or `class`.
    fn definition(&mut self, i: usize, token: &Token<'_>) {
        self.bind(self.block_scope(), self.seen.set(token));
        let is_class = self
            .seen
            .before(i)
            .is_some_and(|before| before.is_name("class"));
        let around = self.scope();
        let scope = if is_class {
            self.scopes.open_class(around)
        } else {
            self.scopes.open(around)
        };
        self.blocks.push(Block {
            scope,
            extent: Extent::Head,
            indent: self.indent.unwrap_or_default(),
            takes_parameters: !is_class,
            globals: Set::default(),
        });
    }

    fn name(&mut self, i: usize, token: &'a Token<'a>) {
        let first = i == self.statement.start && self.frames.is_empty();
        match &*token.text {
            "lambda" => {
                let scope = self.scopes.open(self.scope());
                return self.push_head(PythonFrameKind::LambdaHead, scope);
            }
            "for" => {
                // Of a statement, or of a comprehension: then the bracket is its scope.
                let scope = self.scope();
                return self.set_target(Some(scope));
            }
            "in" => return self.set_target(None),
            "if" if self.frames.is_empty() && !first => self.statement.form = Form::Plain,
            "global" if first => self.statement.form = Form::Global,
            "nonlocal" if first => self.statement.form = Form::Nonlocal,
            "import" if first => self.statement.form = Form::Import,
            "import" if self.seen.is_name(self.statement.start, "from") => {
                let home = self.seen.at(self.statement.start + 1);
                let home = home.is_some_and(|module| self.seen.is_home(&module.text));
                self.statement.form = Form::ImportFrom(!home);
            }
            "case" if first && self.is_case(i) => self.statement.form = Form::Pattern,
            _ => {}
        }
        let set = self.seen.set(token);
        if !set.is_empty() {
            self.watched(i, token, set, first);
        }
    }

    /// Reads a watched name: it is bound here, or used.
    fn watched(&mut self, i: usize, token: &'a Token<'a>, set: Set, first: bool) {
        let seen = self.seen;
        let frame = self.frames.last().map(|frame| (frame.kind, frame.binds));
        let after = |word: &str| seen.before(i).is_some_and(|before| before.is_name(word));
        let begins = seen.follows(i, &["(", ",", "*"]) || after("lambda");
        match (self.statement.form, frame) {
            (_, Some((PythonFrameKind::Parameters | PythonFrameKind::LambdaHead, scope)))
                if begins =>
            {
                let default = seen.assigns(i + 1).then_some(i + 2);
                if !default.is_some_and(|value| seen.is_alias(value, &token.text)) {
                    self.scopes.bind(scope, set);
                }
            }
            (Form::Global, _) => {
                if let Some(block) = self.blocks.last_mut() {
                    block.globals = block.globals.with(set);
                }
            }
            (Form::Nonlocal, _) => {}
            (form @ (Form::Import | Form::ImportFrom(_)), _) => {
                let other = form != Form::ImportFrom(false);
                let renamed =
                    after("as") && (other || !seen.is_name(i.saturating_sub(2), &token.text));
                let listed = form == Form::ImportFrom(true) && !seen.is_name(i + 1, "as");
                if renamed || listed {
                    self.bind(self.block_scope(), set);
                }
            }
            (Form::Pattern, _) if !seen.precedes(i, &[".", "(", "="]) => {
                self.bind(self.block_scope(), set);
            }
            _ => {
                let is_target = !seen.precedes(i, &[".", "(", "["]);
                let walrus = seen.is_punct(i + 1, ":")
                    && seen.is_punct(i + 2, "=")
                    && seen.joins(i + 2, &[":"]);
                let annotated = first && seen.is_punct(i + 1, ":");
                if let Some(scope) = self.target().filter(|_| is_target) {
                    self.bind(scope, set);
                } else if walrus {
                    self.bind(self.binds(), set);
                } else if is_target && (annotated || after("as")) {
                    self.bind(self.block_scope(), set);
                } else {
                    self.scopes.used(i, set, self.scope());
                }
            }
        }
    }

    fn punct(&mut self, i: usize, token: &Token<'_>) {
        match &*token.text {
            "(" | "[" | "{" => self.open(i, &token.text),
            ")" | "]" | "}" => self.close(&token.text),
            "," => self.end_lambdas(),
            ":" => self.colon(i),
            ";" if self.frames.is_empty() => self.statement = Statement::at(i + 1),
            "=" if self.assigns_statement(i) => {
                self.bind_targets(i);
                self.statement.start = i + 1;
            }
            _ => {}
        }
    }

    /// Returns whether a `=` is that of an assignment, and not a keyword's, a default's or an
    /// annotated name's.
    fn assigns_statement(&self, i: usize) -> bool {
        self.frames.is_empty() && !self.statement.annotated && self.seen.assigns(i)
    }

    fn open(&mut self, i: usize, bracket: &str) {
        let before = self.seen.before(i);
        let is_after = |kind| before.is_some_and(|token| token.kind == kind);
        let block = self
            .blocks
            .last_mut()
            .filter(|block| block.extent == Extent::Head && block.takes_parameters);
        if let Some(block) = block.filter(|_| bracket == "(" && self.frames.is_empty()) {
            block.takes_parameters = false;
            let scope = block.scope;
            return self.push_head(PythonFrameKind::Parameters, scope);
        }
        let indexes = self.seen.follows(i, &[")", "]", "}"]) || is_after(Kind::Text);
        let target = if before.is_some_and(|token| token.is_name("as")) {
            Some(self.block_scope())
        } else {
            self.target().filter(|_| !indexes && bracket != "{")
        };
        let scope = self.scopes.open(self.scope());
        let kind = PythonFrameKind::Bracket(bracket.chars().next().unwrap_or('('));
        // What is called or indexed is no target, nor is what is in its brackets.
        let names = is_after(Kind::Name)
            && !before.is_some_and(|t| matches!(&*t.text, "as" | "for" | "in"));
        self.push(kind, scope, target.filter(|_| !names));
    }

    fn close(&mut self, bracket: &str) {
        self.end_lambdas();
        self.frames.pop_if(|frame| match frame.kind {
            PythonFrameKind::Bracket('(') | PythonFrameKind::Parameters => bracket == ")",
            PythonFrameKind::Bracket('[') => bracket == "]",
            PythonFrameKind::Bracket(_) => bracket == "}",
            PythonFrameKind::LambdaHead => true,
            PythonFrameKind::LambdaBody | PythonFrameKind::Field => false,
        });
    }

    fn colon(&mut self, i: usize) {
        if let Some(frame) = self.frames.last_mut()
            && frame.kind == PythonFrameKind::LambdaHead
        {
            frame.kind = PythonFrameKind::LambdaBody;
            frame.scope = frame.binds;
            return;
        }
        self.end_lambdas();
        if !self.frames.is_empty() {
            return;
        }
        let heads = self
            .seen
            .at(self.statement.start)
            .is_some_and(|first| HEADS.contains(&&*first.text));
        if !heads {
            self.statement.annotated = true;
            return;
        }
        if let Some(block) = self.blocks.last_mut()
            && block.extent == Extent::Head
        {
            let ends = self.seen.at(i + 1).is_none_or(|t| t.kind == Kind::LineEnd);
            block.extent = if ends { Extent::Lines } else { Extent::Line };
        }
        self.statement = Statement::at(i + 1);
    }

    /// Enters or leaves the code in an f-string.
    fn piece(&mut self, token: &Token<'_>) {
        if token.text.starts_with('}') {
            self.end_lambdas();
            self.frames
                .pop_if(|frame| frame.kind == PythonFrameKind::Field);
        }
        if token.text.ends_with('{') {
            let scope = self.scope();
            self.push(PythonFrameKind::Field, scope, None);
        }
    }

    /// Binds the names between the statement's start and its `=`.
    fn bind_targets(&mut self, equals: usize) {
        let mut others = 0_usize;
        for i in self.statement.start..equals {
            let Some(token) = self.seen.at(i) else { return };
            match &*token.text {
                "(" | "[" | "{" if token.kind == Kind::Punct => {
                    let calls = self.seen.before(i).is_some_and(|before| {
                        matches!(before.kind, Kind::Name | Kind::Text)
                            || [")", "]", "}"].iter().any(|end| before.is_punct(end))
                    });
                    let calls = calls && i > self.statement.start;
                    if others > 0 || calls || &*token.text == "{" {
                        others += 1;
                    }
                }
                ")" | "]" | "}" => others = others.saturating_sub(1),
                name => {
                    let set = self.seen.set(token);
                    let is_target = others == 0
                        && !set.is_empty()
                        && !self.seen.is_member(i)
                        && (i + 1 == equals || !self.seen.precedes(i, &[".", "(", "["]));
                    if is_target && !self.seen.is_alias(equals + 1, name) {
                        self.bind(self.block_scope(), set);
                    }
                }
            }
        }
    }

    /// Returns whether a `case` begins a pattern and is no name.
    fn is_case(&self, i: usize) -> bool {
        let rest = self.seen.tokens.get(i + 1..).unwrap_or_default();
        let is_pattern = rest.first().is_some_and(|next| match next.kind {
            Kind::Punct => ["(", "[", "{", "-", "*"].iter().any(|p| next.is_punct(p)),
            Kind::LineEnd => false,
            _ => true,
        });
        is_pattern
            && rest
                .iter()
                .take_while(|token| token.kind != Kind::LineEnd && !token.is_punct(";"))
                .any(|token| token.is_punct(":"))
    }

    /// Ends the lambdas whose value ends here.
    fn end_lambdas(&mut self) {
        while self
            .frames
            .pop_if(|frame| frame.kind == PythonFrameKind::LambdaBody)
            .is_some()
        {}
    }

    fn push(&mut self, kind: PythonFrameKind, scope: usize, target: Option<usize>) {
        let binds = self.binds();
        self.frames.push(PythonFrame {
            kind,
            scope,
            binds,
            target,
        });
    }

    /// Enters the parameters of a function whose scope that is. Their defaults are outside of it.
    fn push_head(&mut self, kind: PythonFrameKind, scope: usize) {
        let around = self.scopes.parent(scope);
        self.frames.push(PythonFrame {
            kind,
            scope: around,
            binds: scope,
            target: None,
        });
    }

    fn binds(&self) -> usize {
        match self.frames.last() {
            Some(frame) => frame.binds,
            None => self.block_scope(),
        }
    }

    fn target(&self) -> Option<usize> {
        match self.frames.last() {
            Some(frame) => frame.target,
            None => self.statement.target,
        }
    }

    fn set_target(&mut self, target: Option<usize>) {
        match self.frames.last_mut() {
            Some(frame) => frame.target = target,
            None => self.statement.target = target,
        }
    }
}
