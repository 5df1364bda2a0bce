//! Converts byte offsets to lines and columns.

/// A reader of positions: converts offsets in rising order, in one pass over the text.
pub(super) struct Positions<'a> {
    text: &'a str,
    /// The bytes already passed.
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Positions<'a> {
    /// Starts at the beginning of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// Returns the line and the column, both from 1, of an offset that is not before the previous
    /// one. Lines end at `\n`, `\r\n` or `\r`; columns count characters.
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
