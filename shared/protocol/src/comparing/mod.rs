//! Whether a test case's output is what was expected, and where it first is not: one file for each
//! way to compare. All take time in proportion to the texts.

mod difference;
mod exact;
mod float;
mod lines;
#[cfg(test)]
mod tests;
mod tokens;
mod trimmed;
mod unordered;

use crate::compare::Compare;
use crate::outcome::Difference;

/// Where `actual` first differs from `expected`; `None` if it does not.
#[must_use]
pub fn first_difference(compare: Compare, expected: &str, actual: &[u8]) -> Option<Difference> {
    let text = String::from_utf8_lossy(actual);
    match compare {
        Compare::Trimmed => trimmed::first_difference(expected, &text),
        Compare::Exact => exact::first_difference(expected.as_bytes(), actual),
        Compare::Tokens => tokens::first_difference(expected, &text, |a, b| a == b),
        Compare::Float(tolerance) => {
            tokens::first_difference(expected, &text, |a, b| float::same(tolerance, a, b))
        }
        Compare::Unordered => unordered::first_difference(expected, &text),
    }
}
