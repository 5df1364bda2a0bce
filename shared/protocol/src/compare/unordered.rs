//! Compares lines in any order, each as often as expected.
//!
//! White space at their ends does not count, nor do blank lines, which could be anywhere.

use std::collections::HashMap;

use crate::outcome::Difference;

use super::difference::differ;
use super::lines::{Line, lines};

/// Finds the first line that is missing, and the first that is too many.
pub(super) fn first_difference(expected: &str, actual: &str) -> Option<Difference> {
    match (
        first_without(expected, actual),
        first_without(actual, expected),
    ) {
        (None, None) => None,
        (missing, surplus) => Some(differ(missing, surplus)),
    }
}

/// Finds the first line of `text` that has no counterpart left among the others.
fn first_without<'a>(text: &'a str, others: &str) -> Option<Line<'a>> {
    // The standard hasher has a random key, so no program can produce lines that collide.
    let mut left: HashMap<&str, usize> = HashMap::new();
    for line in written(others) {
        *left.entry(line.text).or_default() += 1;
    }
    written(text).find(|line| match left.get_mut(line.text) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

/// Iterates over the lines that are not blank.
fn written(text: &str) -> impl Iterator<Item = Line<'_>> {
    lines(text).filter(|line| !line.text.is_empty())
}
