//! From a byte's offset to the line and column a person would look at.

/// Walks through a text, telling the line and column of offsets in rising order. One pass in all.
pub(super) struct Places<'a> {
    text: &'a str,
    /// How far it is, in bytes.
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Places<'a> {
    /// At the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// The line and the column, both from 1, of an offset that is not before the last one asked
    /// for. Lines end at `\n`, `\r\n` or `\r`; columns count characters.
    pub(super) fn of(&mut self, offset: usize) -> (usize, usize) {
        let rest = &self.text[self.at..];
        for (i, c) in rest.char_indices() {
            if self.at + i >= offset {
                self.at += i;
                return (self.line, self.column);
            }
            // Of `\r\n` the `\n` ends the line.
            if c == '\n' || c == '\r' && !rest[i + 1..].starts_with('\n') {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at = self.text.len();
        (self.line, self.column)
    }
}
