//! The lines of an output.

/// A line and its number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
}

/// Iterates over the lines, without the white space at their ends. Only a line feed ends a line; a
/// carriage return before it is white space. No line follows the last line feed.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().map(|(index, line)| Line {
        number: index + 1,
        text: line.trim_end(),
    })
}
