//! The same lines, each as often, in any order. White space at their ends does not count, nor do
//! blank lines, which could stand anywhere.

use std::collections::HashMap;

use crate::outcome::Difference;

use super::difference::differ;
use super::lines::{Line, lines};

/// The first line that is missing, and the first that is too many.
pub(super) fn first_difference(expected: &str, actual: &str) -> Option<Difference> {
    match (
        first_without(expected, actual),
        first_without(actual, expected),
    ) {
        (None, None) => None,
        (missing, surplus) => Some(differ(missing, surplus)),
    }
}

/// The first line that has none left among the others to go with it.
fn first_without<'a>(text: &'a str, others: &str) -> Option<Line<'a>> {
    // The standard hasher is keyed at random: no program can make lines that collide.
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

fn written(text: &str) -> impl Iterator<Item = Line<'_>> {
    lines(text).filter(|line| !line.text.is_empty())
}
