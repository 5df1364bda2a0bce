//! Compares a test case's output with the expected one: one file for each comparison.
//!
//! Every comparison takes time in proportion to the texts.

mod difference;
mod exact;
mod float;
mod lines;
#[cfg(test)]
mod tests;
mod tokens;
mod trimmed;
mod unordered;

use serde::{Deserialize, Serialize};
use serde_json::Number;

pub use float::{InvalidTolerance, Tolerance};

use crate::outcome::Difference;
use crate::refusal::Refusal;

/// A comparison of outputs, as the caller chooses it. `docs/API.md` says exactly what each one
/// takes as equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Line by line, without white space at a line's end and blank lines at the output's end.
    #[default]
    Trimmed,
    /// Byte for byte.
    Exact,
    /// Word by word, however they are spaced.
    Tokens,
    /// Word by word, numbers by value.
    Float(Tolerance),
    /// The same lines in any order.
    Unordered,
}

/// The names that a caller may ask for.
const NAMES: [&str; 5] = ["trimmed", "exact", "tokens", "float", "unordered"];

impl Compare {
    /// Reads the comparison that a request's `compare` and `tolerance` ask for.
    ///
    /// # Errors
    /// The comparison is unknown, or the tolerance is out of its bounds or given for a comparison
    /// other than `float`.
    pub fn parse(name: Option<&str>, tolerance: Option<Number>) -> Result<Self, Refusal> {
        let compare = match name {
            None | Some("trimmed") => Self::Trimmed,
            Some("exact") => Self::Exact,
            Some("tokens") => Self::Tokens,
            Some("unordered") => Self::Unordered,
            Some("float") => {
                return Ok(Self::Float(match tolerance {
                    Some(given) => Tolerance::parse(given)?,
                    None => Tolerance::default(),
                }));
            }
            Some(other) => {
                return Err(Refusal::UnknownCompare {
                    given: other.to_owned(),
                    known: NAMES.map(str::to_owned).to_vec(),
                });
            }
        };
        match tolerance {
            Some(_) => Err(Refusal::StrayTolerance {
                compare: name.unwrap_or("trimmed").to_owned(),
            }),
            None => Ok(compare),
        }
    }
}

/// Finds where `actual` first differs from `expected`; `None` if it does not.
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
