//! The lexer of Python 3.
//!
//! It reads f-strings by the rules of 3.12, by which those of older versions read the same.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;

use super::cursor::{Cursor, in_name, is_space};
use super::{Kind, Token};

/// Returns the tokens of a program.
pub(super) fn lex(code: &str) -> Vec<Token<'_>> {
    let mut lexer = PythonLexer {
        cursor: Cursor::new(code),
        frames: Vec::new(),
        tokens: Vec::new(),
    };
    while lexer.space() {
        lexer.token();
    }
    lexer.tokens
}

/// The quotes of a string, and whether its escapes count.
#[derive(Clone, Copy, Debug)]
struct Quotes {
    mark: &'static str,
    raw: bool,
}

impl Quotes {
    fn spans_lines(self) -> bool {
        self.mark.len() == 3
    }
}

/// A bracket or string that is still open.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// A `(` that only groups.
    Group,
    /// Another bracket.
    Bracket(u8),
    /// An f-string whose text is interrupted by code.
    FString(Quotes),
    /// The code between `{` and `}` of an f-string.
    Field(Quotes),
}

struct PythonLexer<'a> {
    cursor: Cursor<'a>,
    frames: Vec<Frame>,
    tokens: Vec<Token<'a>>,
}

impl<'a> PythonLexer<'a> {
    /// Passes over space, comments and continued lines; false at the end.
    fn space(&mut self) -> bool {
        loop {
            match self.cursor.char() {
                None => return false,
                Some('#') => self.cursor.skip_line(ends_line),
                Some('\\') if self.continues() => {}
                Some(c) if ends_line(c) && self.frames.is_empty() => return true,
                Some(c) if is_space(c) => _ = self.cursor.bump(),
                Some(_) => return true,
            }
        }
    }

    fn continues(&mut self) -> bool {
        ["\\\r\n", "\\\n", "\\\r"]
            .into_iter()
            .any(|line_end| self.cursor.eat(line_end))
    }

    fn token(&mut self) {
        let start = self.cursor.at();
        let Some(c) = self.cursor.char() else { return };
        match c {
            '\n' | '\r' => {
                self.cursor.bump();
                self.push(Kind::LineEnd, start);
            }
            '\'' | '"' => self.string(start),
            '0'..='9' => self.number(start),
            '.' if self.cursor.ahead(1).is_some_and(|b| b.is_ascii_digit()) => self.number(start),
            '(' | '[' | '{' => self.open(start, c),
            ')' | ']' | '}' => self.close(start, c),
            ':' if matches!(self.frames.last(), Some(Frame::Field(_))) => self.format(start),
            c if in_name(c) => self.name(start),
            _ => {
                if !self.cursor.eat("...") {
                    self.cursor.bump();
                }
                self.push(Kind::Punct, start);
            }
        }
    }

    /// Reads a name, or a string with a prefix.
    fn name(&mut self, start: usize) {
        self.cursor.skip_while(in_name);
        let source = self.cursor.since(start);
        if matches!(self.cursor.peek(), Some(b'\'' | b'"')) && is_prefix(source) {
            return self.string(start);
        }
        let text = normalised(source);
        let defines = self
            .tokens
            .last()
            .is_some_and(|token| token.is_name("def") || token.is_name("class"));
        let span = start..self.cursor.at();
        self.tokens.push(Token::name(span, text, defines));
    }

    /// Reads a string from its quotes on; its prefix, if it has one, has been read.
    fn string(&mut self, start: usize) {
        let prefix = self.cursor.since(start);
        let holds_code = prefix.contains(['f', 'F', 't', 'T']);
        let raw = prefix.contains(['r', 'R']);
        let mark = ["'''", "\"\"\"", "'", "\""]
            .into_iter()
            .find(|mark| self.cursor.eat(mark))
            .unwrap_or_default();
        let quotes = Quotes { mark, raw };
        if holds_code {
            self.pieces(start, quotes);
        } else {
            self.plain(quotes);
            self.push(Kind::Text, start);
        }
    }

    fn plain(&mut self, quotes: Quotes) {
        while let Some(c) = self.cursor.char() {
            match c {
                '\\' => self.escaped(),
                // An unterminated string; the program will not run.
                c if ends_line(c) && !quotes.spans_lines() => return,
                _ if self.cursor.eat(quotes.mark) => return,
                _ => _ = self.cursor.bump(),
            }
        }
    }

    /// Passes over a backslash and what it escapes, which in raw strings too keeps a quote from
    /// ending the string.
    fn escaped(&mut self) {
        self.cursor.bump();
        if !self.cursor.eat("\r\n") {
            self.cursor.bump();
        }
    }

    /// Does the same, except that braces keep their meaning: `\{` is a backslash and a field.
    fn escaped_but_braces(&mut self) {
        if matches!(self.cursor.ahead(1), Some(b'{' | b'}')) {
            self.cursor.bump();
        } else {
            self.escaped();
        }
    }

    /// Reads the text of an f-string, from after its opening quotes or after the `}` of code in it,
    /// up to the next code or its end.
    fn pieces(&mut self, start: usize, quotes: Quotes) {
        while let Some(c) = self.cursor.char() {
            match c {
                // The braces of `\N{DASH}` are no field's.
                '\\' if !quotes.raw && self.cursor.eat("\\N{") => {}
                '\\' => self.escaped_but_braces(),
                '{' if self.cursor.eat("{{") => {}
                '{' => {
                    self.cursor.bump();
                    self.frames.push(Frame::FString(quotes));
                    self.frames.push(Frame::Field(quotes));
                    return self.push(Kind::Piece, start);
                }
                c if ends_line(c) && !quotes.spans_lines() => break,
                _ if self.cursor.eat(quotes.mark) => break,
                _ => _ = self.cursor.bump(),
            }
        }
        self.push(Kind::Piece, start);
    }

    /// Reads the format of a field, from its `:` or from after the `}` of a field in it.
    fn format(&mut self, start: usize) {
        let Some(&Frame::Field(quotes)) = self.frames.last() else {
            return;
        };
        while let Some(c) = self.cursor.char() {
            match c {
                '{' => {
                    self.cursor.bump();
                    self.frames.push(Frame::Field(quotes));
                    return self.push(Kind::Piece, start);
                }
                // The field's end is the next token. Closing it from here would recurse.
                '}' => return self.push(Kind::Piece, start),
                '\\' => self.escaped_but_braces(),
                // The line's end ends the format, too.
                c if ends_line(c) && !quotes.spans_lines() => {
                    return self.push(Kind::Piece, start);
                }
                _ if self.cursor.sees(quotes.mark) => break,
                _ => _ = self.cursor.bump(),
            }
        }
        // The f-string ends inside its format; the program will not run.
        while let Some(frame) = self.frames.pop() {
            if matches!(frame, Frame::FString(_)) {
                break;
            }
        }
        self.cursor.eat(quotes.mark);
        self.push(Kind::Piece, start);
    }

    fn number(&mut self, start: usize) {
        self.cursor.skip_number();
        self.push(Kind::Number, start);
    }

    fn open(&mut self, start: usize, c: char) {
        let groups = c == '('
            && match self.tokens.last() {
                None => true,
                Some(token) => match token.kind {
                    Kind::Name => is_keyword(&token.text),
                    Kind::Punct => !matches!(&*token.text, ")" | "]" | "}" | "..."),
                    Kind::LineEnd => true,
                    // An f-string's code begins after a piece.
                    Kind::Piece => token.text.ends_with('{'),
                    _ => false,
                },
            };
        self.frames.push(if groups {
            Frame::Group
        } else {
            Frame::Bracket(c as u8)
        });
        self.cursor.bump();
        self.push(Kind::Punct, start);
    }

    /// Reads a closing bracket. Ignores one that does not match what is open.
    fn close(&mut self, start: usize, c: char) {
        let fits = self.frames.pop_if(|frame| match frame {
            Frame::Group | Frame::Bracket(b'(') => c == ')',
            Frame::Bracket(b'[') => c == ']',
            Frame::Bracket(_) | Frame::Field(_) => c == '}',
            Frame::FString(_) => false,
        });
        self.cursor.bump();
        match fits {
            Some(Frame::Field(_)) => match self.frames.last().copied() {
                Some(Frame::FString(quotes)) => {
                    self.frames.pop();
                    self.pieces(start, quotes);
                }
                _ => self.format(start),
            },
            Some(Frame::Group) => self.push(Kind::GroupEnd, start),
            _ => self.push(Kind::Punct, start),
        }
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token {
            kind,
            start,
            text: Cow::Borrowed(self.cursor.since(start)),
            end: self.cursor.at(),
        });
    }
}

/// Returns the name as Python looks it up, if that is plain ASCII; else as it is written, as rules
/// for other names would have to.
fn normalised(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    // What decomposes to nothing but ASCII composes to the same, so this is NFKC.
    let mut ascii = String::new();
    let mut is_ascii = true;
    for c in name.chars() {
        decompose_compatible(c, |part| {
            is_ascii &= part.is_ascii();
            ascii.push(part);
        });
        if !is_ascii {
            return Cow::Borrowed(name);
        }
    }
    Cow::Owned(ascii)
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 2
        && matches!(
            text.to_ascii_lowercase().as_str(),
            "r" | "b" | "u" | "f" | "t" | "br" | "rb" | "fr" | "rf" | "tr" | "rt"
        )
}

/// Returns whether a `(` after this word does not call. Soft keywords are not among these words,
/// because they are names too.
fn is_keyword(text: &str) -> bool {
    matches!(
        text,
        "and"
            | "as"
            | "assert"
            | "await"
            | "del"
            | "elif"
            | "else"
            | "except"
            | "for"
            | "from"
            | "global"
            | "if"
            | "import"
            | "in"
            | "is"
            | "lambda"
            | "nonlocal"
            | "not"
            | "or"
            | "raise"
            | "return"
            | "while"
            | "with"
            | "yield"
    )
}
