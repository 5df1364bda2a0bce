//! Tests of the comparisons.

mod choice;
mod examples;
mod properties;

use crate::compare::Compare;
use crate::outcome::Difference;

fn compare(name: &str) -> Compare {
    Compare::parse(Some(name), None).unwrap()
}

fn float(tolerance: f64) -> Compare {
    let tolerance = serde_json::Number::from_f64(tolerance);
    Compare::parse(Some("float"), tolerance).unwrap()
}

fn first_difference(compare: Compare, expected: &str, actual: &str) -> Option<Difference> {
    super::first_difference(compare, expected, actual.as_bytes())
}

fn same(compare: Compare, expected: &str, actual: &str) -> bool {
    first_difference(compare, expected, actual).is_none()
}
