//! A cursor in the source that only moves forward.

/// The source, and how much of it is read. No access reaches beyond the source's end.
pub(super) struct Cursor<'a> {
    code: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `code`.
    pub(super) fn new(code: &'a str) -> Self {
        Self { code, at: 0 }
    }

    /// Returns the offset in bytes, which is always between two characters.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the next byte; `None` at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    /// Returns the byte `n` behind the next.
    pub(super) fn ahead(&self, n: usize) -> Option<u8> {
        self.code.as_bytes().get(self.at + n).copied()
    }

    /// Returns true if that text comes next.
    pub(super) fn sees(&self, text: &str) -> bool {
        self.code.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    /// Passes over that text if it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let sees = self.sees(text);
        if sees {
            self.at += text.len();
        }
        sees
    }

    /// Passes over the next character and returns it.
    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.char()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Returns the next character.
    pub(super) fn char(&self) -> Option<char> {
        match self.peek()? {
            byte if byte.is_ascii() => Some(char::from(byte)),
            _ => self.code[self.at..].chars().next(),
        }
    }

    /// Passes over characters as long as they fit.
    pub(super) fn skip_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.char().is_some_and(&fits) {
            self.bump();
        }
    }

    /// Passes over the rest of the line, up to but without its end.
    pub(super) fn skip_line(&mut self, ends: impl Fn(char) -> bool) {
        self.skip_while(|c| !ends(c));
    }

    /// Passes over a number; the next character is its first digit, or the dot before that.
    pub(super) fn skip_number(&mut self) {
        // `0x1F.a` is a member of a number, `1.e5` one number, `1..a` a member of `1.`.
        let decimal = !(self.sees("0") && self.ahead(1).is_some_and(|b| b.is_ascii_alphabetic()));
        self.skip_while(in_name);
        if decimal && self.eat(".") {
            self.skip_while(in_name);
        }
        let exponent = self
            .at
            .checked_sub(1)
            .and_then(|last| self.code.as_bytes().get(last));
        if decimal
            && matches!(exponent, Some(b'e' | b'E'))
            && matches!(self.peek(), Some(b'+' | b'-'))
        {
            self.bump();
            self.skip_while(in_name);
        }
    }

    /// Returns the source from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.code[start..self.at]
    }
}

/// Returns true if a character can be part of a name. It is generous beyond ASCII, where anything but
/// a letter is a syntax error outside of strings.
pub(super) fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii() && !is_space(c)
}

/// Returns true if a character separates tokens, line ends included.
pub(super) fn is_space(c: char) -> bool {
    // The byte order mark is white space to both interpreters, though not to Unicode.
    c.is_whitespace() || c == '\u{feff}'
}
