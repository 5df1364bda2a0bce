//! Compares word by word, whatever white space separates them.

use crate::outcome::Difference;

use super::difference::differ;
use super::lines::{Line, lines};

/// Finds the lines of the first two words that are not the `same`.
pub(super) fn first_difference(
    expected: &str,
    actual: &str,
    same: impl Fn(&str, &str) -> bool,
) -> Option<Difference> {
    let (mut expected, mut actual) = (words(expected), words(actual));
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return None,
            (Some((_, want)), Some((_, got))) if same(want, got) => {}
            (want, got) => {
                return Some(differ(
                    want.map(|(line, _)| line),
                    got.map(|(line, _)| line),
                ));
            }
        }
    }
}

/// Iterates over the words, each with its line.
fn words(text: &str) -> impl Iterator<Item = (Line<'_>, &str)> {
    lines(text).flat_map(|line| line.text.split_whitespace().map(move |word| (line, word)))
}
