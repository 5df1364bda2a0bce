//! The lexer of JavaScript, as Node.js reads a main file.
//!
//! Such a file is a script, not a module.

use std::borrow::Cow;

use super::cursor::{Cursor, in_name, is_space};
use super::javascript_context::{Closed, Context};
use super::{Kind, Token};
use crate::escapes;

/// Returns the tokens of a program.
pub(super) fn lex(code: &str) -> Vec<Token<'_>> {
    let mut lexer = JavaScriptLexer {
        cursor: Cursor::new(code),
        context: Context::new(),
        tokens: Vec::new(),
        fresh: true,
    };
    lexer.cursor.eat("\u{feff}");
    if lexer.cursor.sees("#!") {
        lexer.cursor.skip_line(ends_line);
    }
    while lexer.space() {
        lexer.token();
    }
    lexer.tokens
}

struct JavaScriptLexer<'a> {
    cursor: Cursor<'a>,
    context: Context,
    tokens: Vec<Token<'a>>,
    /// Whether the next token is the first of its line.
    fresh: bool,
}

impl<'a> JavaScriptLexer<'a> {
    /// Passes over space and comments; false at the end.
    fn space(&mut self) -> bool {
        loop {
            match self.cursor.peek() {
                None => return false,
                Some(b'/') if self.cursor.eat("//") => self.cursor.skip_line(ends_line),
                Some(b'/') if self.cursor.eat("/*") => self.block_comment(),
                // Scripts still have the comments of 1995.
                Some(b'<') if self.cursor.eat("<!--") => self.cursor.skip_line(ends_line),
                Some(b'-') if self.fresh && self.cursor.eat("-->") => {
                    self.cursor.skip_line(ends_line);
                }
                Some(_) => match self.cursor.char() {
                    Some(c) if is_space(c) => {
                        self.fresh |= ends_line(c);
                        self.cursor.bump();
                    }
                    _ => return true,
                },
            }
        }
    }

    fn block_comment(&mut self) {
        while !self.cursor.eat("*/") {
            match self.cursor.bump() {
                Some(c) => self.fresh |= ends_line(c),
                None => return,
            }
        }
    }

    fn token(&mut self) {
        let start = self.cursor.at();
        let Some(c) = self.cursor.char() else { return };
        match c {
            '\'' | '"' => self.string(start, c),
            '`' => {
                self.cursor.bump();
                self.template(start);
            }
            '0'..='9' => self.number(start),
            '.' if self.cursor.ahead(1).is_some_and(|b| b.is_ascii_digit()) => self.number(start),
            '/' if self.context.takes_regex() => self.regex(start),
            '(' | '[' | '{' | ')' | ']' | '}' => self.bracket(start, c),
            '#' | '$' | '\\' => self.name(start),
            c if in_name(c) => self.name(start),
            _ => self.punct(start),
        }
    }

    fn string(&mut self, start: usize, quote: char) {
        self.cursor.bump();
        while let Some(c) = self.cursor.char() {
            match c {
                // An unterminated string; the program will not run.
                '\n' | '\r' => break,
                '\\' => self.escaped(),
                c => {
                    self.cursor.bump();
                    if c == quote {
                        break;
                    }
                }
            }
        }
        self.context.operand();
        self.push(Kind::Text, start);
    }

    /// Passes over a backslash and what it escapes.
    fn escaped(&mut self) {
        self.cursor.bump();
        if !self.cursor.eat("\r\n") {
            self.cursor.bump();
        }
    }

    /// Reads the text of a template literal, from after its backtick or after the `}` of code in
    /// it.
    fn template(&mut self, start: usize) {
        let whole = self.cursor.since(start) == "`";
        loop {
            match self.cursor.peek() {
                Some(b'\\') => self.escaped(),
                Some(b'$') if self.cursor.eat("${") => {
                    self.context.open_template(self.tokens.len());
                    return self.push(Kind::Piece, start);
                }
                Some(b'`') => {
                    self.cursor.bump();
                    break;
                }
                Some(_) => _ = self.cursor.bump(),
                None => break,
            }
        }
        self.context.operand();
        self.push(if whole { Kind::Text } else { Kind::Piece }, start);
    }

    fn number(&mut self, start: usize) {
        self.cursor.skip_number();
        self.context.operand();
        self.push(Kind::Number, start);
    }

    fn regex(&mut self, start: usize) {
        self.cursor.bump();
        let mut in_class = false;
        while let Some(c) = self.cursor.char() {
            if ends_line(c) {
                // An unterminated one; the program will not run.
                break;
            }
            self.cursor.bump();
            match c {
                '\\' if self.cursor.char().is_some_and(|c| !ends_line(c)) => {
                    self.cursor.bump();
                }
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    self.cursor.skip_while(in_name);
                    break;
                }
                _ => {}
            }
        }
        self.context.operand();
        self.push(Kind::Regex, start);
    }

    fn bracket(&mut self, start: usize, c: char) {
        self.cursor.bump();
        let index = self.tokens.len();
        let mut kind = Kind::Punct;
        match c {
            '(' | '[' => self.context.open(c as u8, index),
            '{' => {
                let previous = self.tokens.last().map_or("", |token| &token.text);
                let parameters = self.context.open_brace(previous, index);
                if let Some(name) = parameters.and_then(|i| self.tokens.get_mut(i.checked_sub(1)?))
                    && name.kind == Kind::Name
                {
                    name.kind = Kind::Definition;
                }
            }
            _ => match self.context.close(c as u8) {
                Closed::Template => return self.template(start),
                Closed::Group => kind = Kind::GroupEnd,
                Closed::Other => {}
            },
        }
        self.push(kind, start);
    }

    fn name(&mut self, start: usize) {
        // A private name keeps its mark, so that it is no global's.
        self.cursor.eat("#");
        let mut escaped = false;
        loop {
            self.cursor.skip_while(|c| in_name(c) || c == '$');
            if !self.cursor.eat("\\u") {
                break;
            }
            escaped = true;
            if self.cursor.eat("{") {
                self.cursor.skip_while(|c| c.is_ascii_hexdigit());
                self.cursor.eat("}");
            }
        }
        let source = self.cursor.since(start);
        if source.is_empty() || source == "#" {
            // A stray backslash or mark.
            return self.punct(start);
        }
        let text = if escaped {
            escapes::resolve(source)
        } else {
            Cow::Borrowed(source)
        };
        let before = self.tokens.last();
        let previous = before.map_or("", |token| &token.text);
        let defines = self.context.name(&text, previous);
        let span = start..self.cursor.at();
        self.tokens.push(Token::name(span, text, defines));
        self.fresh = false;
    }

    fn punct(&mut self, start: usize) {
        let ternary = self.cursor.ahead(2).is_some_and(|b| b.is_ascii_digit());
        let known = ["...", "=>", "++", "--", "??", "<<"]
            .into_iter()
            .any(|text| self.cursor.eat(text))
            // `a?.5:b` is no optional chain.
            || !ternary && self.cursor.eat("?.");
        if !known && self.cursor.at() == start {
            self.cursor.bump();
        }
        self.context.punct(self.cursor.since(start), self.fresh);
        self.push(Kind::Punct, start);
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token {
            kind,
            start,
            text: Cow::Borrowed(self.cursor.since(start)),
            end: self.cursor.at(),
        });
        self.fresh = false;
    }
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}
