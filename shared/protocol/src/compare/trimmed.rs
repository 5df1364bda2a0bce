//! Compares line by line.
//!
//! White space at the end of a line does not count, nor do blank lines at the end of the output.

use crate::outcome::Difference;

use super::difference::differ;
use super::lines::lines;

/// Finds the first line that differs.
pub(super) fn first_difference(expected: &str, actual: &str) -> Option<Difference> {
    let mut expected = lines(expected.trim_end());
    let mut actual = lines(actual.trim_end());
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return None,
            (want, got) if want == got => {}
            (want, got) => return Some(differ(want, got)),
        }
    }
}
