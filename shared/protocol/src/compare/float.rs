//! Compares words, numbers among them by value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::refusal::Refusal;

/// A tolerance: the distance at which two numbers still count as equal, absolute or relative to the
/// larger of them. It is above 0, and below 1, because from 1 on any two numbers of one sign would
/// be equal.
///
/// It travels as text, because another writer of JSON may round a number by one bit, and so out of
/// its bounds. (Warren reads numbers exactly: serde_json's `float_roundtrip` is on.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tolerance(f64);

// A tolerance is never NaN.
impl Eq for Tolerance {}

impl Tolerance {
    /// Returns the tolerance as a number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    pub(super) fn parse(given: Number) -> Result<Self, Refusal> {
        let value = given.as_f64().and_then(|value| Self::new(value).ok());
        value.ok_or(Refusal::InvalidTolerance { given })
    }

    pub(super) fn new(value: f64) -> Result<Self, InvalidTolerance> {
        // NaN fails both comparisons.
        if value > 0.0 && value < 1.0 {
            Ok(Self(value))
        } else {
            Err(InvalidTolerance)
        }
    }
}

impl Default for Tolerance {
    /// Returns one in a million, as is usual among online judges.
    fn default() -> Self {
        Self(1e-6)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:e}", self.0)
    }
}

impl FromStr for Tolerance {
    type Err = InvalidTolerance;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_or(Err(InvalidTolerance), Self::new)
    }
}

impl TryFrom<String> for Tolerance {
    type Error = InvalidTolerance;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tolerance> for String {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.to_string()
    }
}

/// A tolerance that is not above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tolerance is a number above 0 and below 1")]
pub struct InvalidTolerance;

/// Returns true if two words are equal: as text, or as numbers within the tolerance, absolute or
/// relative to the larger of them.
pub(super) fn same(tolerance: Tolerance, a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (number(a), number(b)) else {
        return false;
    };
    // An overflow cannot pass for equality: an infinite distance exceeds every bound.
    (a - b).abs() <= tolerance.get() * a.abs().max(b.abs()).max(1.0)
}

/// Parses a decimal number as a double. `nan` and `inf`, which no reader takes for numbers, and
/// numbers that a double cannot hold are compared as text.
fn number(word: &str) -> Option<f64> {
    let digits = word.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    word.parse().ok().filter(|value: &f64| value.is_finite())
}
