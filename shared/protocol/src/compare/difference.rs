//! Excerpts of the two lines that differ.

use crate::outcome::Difference;

use super::lines::Line;

/// The longest excerpt of a line, in characters.
pub(super) const MAX_LINE: usize = 200;
/// The part of an excerpt before the place where two long lines begin to differ.
const LEAD: usize = 40;

/// Describes two lines that differ, or a line that has no counterpart.
pub(super) fn differ(expected: Option<Line<'_>>, actual: Option<Line<'_>>) -> Difference {
    let number = actual.or(expected).map_or(1, |line| line.number);
    let (want, got) = (expected.map(|line| line.text), actual.map(|line| line.text));
    let alike = match (want, got) {
        (Some(want), Some(got)) => {
            let pairs = want.chars().zip(got.chars());
            pairs.take_while(|(a, b)| a == b).count()
        }
        _ => 0,
    };
    // If long lines differ only behind the excerpt, it begins shortly before the difference.
    let from = if alike < MAX_LINE { 0 } else { alike - LEAD };
    Difference {
        line: u32::try_from(number).unwrap_or(u32::MAX),
        expected: want.map(|text| excerpt(text, from)),
        actual: got.map(|text| excerpt(text, from)),
    }
}

/// Cuts an excerpt that begins at the given character, with an ellipsis for each part left out.
fn excerpt(line: &str, from: usize) -> String {
    let at = |n| line.char_indices().nth(n).map_or(line.len(), |(at, _)| at);
    let (start, end) = (at(from), at(from + MAX_LINE));
    let before = if start > 0 { "…" } else { "" };
    let after = if end < line.len() { "…" } else { "" };
    format!("{before}{}{after}", &line[start..end])
}
