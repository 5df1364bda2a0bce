//! Numbers by value.

use crate::compare::Tolerance;

/// Whether two words are the same: as text, or as numbers that are at most the tolerance apart, or
/// that part of the larger of them.
pub(super) fn same(tolerance: Tolerance, a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (number(a), number(b)) else {
        return false;
    };
    // Neither overflows to a wrong yes: a distance of infinity is over every bound.
    (a - b).abs() <= tolerance.get() * a.abs().max(b.abs()).max(1.0)
}

/// A decimal number, as a double. Not what is none to a reader (`nan`, `inf`), nor what a double
/// cannot hold: those are compared as text.
fn number(word: &str) -> Option<f64> {
    let digits = word.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    word.parse().ok().filter(|value: &f64| value.is_finite())
}
