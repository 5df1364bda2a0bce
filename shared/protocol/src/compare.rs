//! How a test case's output is compared with what was expected, as the caller chooses it. The
//! comparing itself is in [`crate::comparing`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use crate::contract::Refusal;

/// A way to compare. What each takes for the same to the letter is in the README.
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

/// The ways to compare.
#[derive(ToSchema)]
#[schema(as = Compare, rename_all = "snake_case")]
#[expect(dead_code, reason = "only described: requests carry the name as text")]
pub(crate) enum CompareName {
    Trimmed,
    Exact,
    Tokens,
    Float,
    Unordered,
}

/// What a caller may ask for.
const NAMES: [&str; 5] = ["trimmed", "exact", "tokens", "float", "unordered"];

impl Compare {
    /// The way that a request's `compare` and `tolerance` ask for.
    ///
    /// # Errors
    /// There is no such way, or the tolerance is out of its bounds or belongs to no number.
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

/// How far two numbers may be apart and still be the same: that much, or that much of the larger
/// of them. Above 0, and below 1, from where on every two numbers of one sign were the same.
///
/// It travels as text, since who else writes JSON may write its numbers off by a bit, and out of
/// their bounds. (Ours are read exactly: serde_json's `float_roundtrip` is on.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tolerance(f64);

// There is no NaN among them.
impl Eq for Tolerance {}

impl Tolerance {
    /// As a number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    fn parse(given: Number) -> Result<Self, Refusal> {
        let value = given.as_f64().and_then(|value| Self::new(value).ok());
        value.ok_or(Refusal::InvalidTolerance { given })
    }

    fn new(value: f64) -> Result<Self, InvalidTolerance> {
        // No NaN is within.
        if value > 0.0 && value < 1.0 {
            Ok(Self(value))
        } else {
            Err(InvalidTolerance)
        }
    }
}

impl Default for Tolerance {
    /// One in a million, as judges have it.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(value: f64) -> Option<Number> {
        Number::from_f64(value)
    }

    #[test]
    fn every_known_name_is_taken_and_trimmed_is_the_default() {
        for name in NAMES {
            assert!(Compare::parse(Some(name), None).is_ok(), "{name}");
        }
        assert_eq!(Compare::parse(None, None), Ok(Compare::Trimmed));
        assert_eq!(
            Compare::parse(Some("float"), None),
            Compare::parse(Some("float"), number(1e-6))
        );
    }

    #[test]
    fn other_names_are_refused_with_those_that_are_known() {
        for name in ["", "Exact", "floats"] {
            let refusal = Compare::parse(Some(name), None).unwrap_err();
            let said = refusal.to_string();
            assert_eq!(refusal.code(), "unknown_compare");
            assert!(NAMES.iter().all(|known| said.contains(known)), "{said}");
        }
    }

    #[test]
    fn a_tolerance_has_bounds_and_belongs_to_float() {
        for bad in [0.0, -0.0, -1e-6, 1.0, 5.0, f64::MAX] {
            let refusal = Compare::parse(Some("float"), number(bad)).unwrap_err();
            assert_eq!(refusal.code(), "invalid_tolerance", "{bad}");
        }
        for name in [None, Some("trimmed"), Some("tokens")] {
            let refusal = Compare::parse(name, number(1e-6)).unwrap_err();
            assert_eq!(refusal.code(), "stray_tolerance");
        }
    }

    proptest! {
        #[test]
        fn every_tolerance_survives_the_queue(value in 0.0..1.0_f64) {
            prop_assume!(value > 0.0);
            let sent = Compare::Float(Tolerance::new(value).unwrap());
            let json = serde_json::to_string(&sent).unwrap();
            prop_assert_eq!(serde_json::from_str::<Compare>(&json).unwrap(), sent);
        }
    }

    #[test]
    fn a_number_just_below_one_is_read_as_what_it_is() {
        let number: Number = serde_json::from_str("0.9999999999999999").unwrap();
        assert!(Compare::parse(Some("float"), Some(number)).is_ok());
    }

    #[test]
    fn bounds_hold_for_what_comes_from_the_queue() {
        for json in [
            r#"{"float":"0"}"#,
            r#"{"float":"1"}"#,
            r#"{"float":"NaN"}"#,
            r#"{"float":1e-6}"#,
        ] {
            assert!(serde_json::from_str::<Compare>(json).is_err(), "{json}");
        }
        let least = Compare::Float(Tolerance::new(1.0_f64.next_down()).unwrap());
        let json = serde_json::to_string(&least).unwrap();
        assert_eq!(serde_json::from_str::<Compare>(&json).unwrap(), least);
    }
}
