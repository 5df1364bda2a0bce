//! How a difference is told.

use crate::outcome::Difference;

use super::lines::Line;

/// The longest piece of a line that is told, in characters.
pub(super) const MAX_LINE: usize = 200;
/// How much of it stands before the place where long lines part.
const LEAD: usize = 40;

/// Two lines that are not the same, or the one that has no other.
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
    // Lines that are alike for longer than is told are told from shortly before they part.
    let from = if alike < MAX_LINE { 0 } else { alike - LEAD };
    Difference {
        line: u32::try_from(number).unwrap_or(u32::MAX),
        expected: want.map(|text| excerpt(text, from)),
        actual: got.map(|text| excerpt(text, from)),
    }
}

/// What is told of a line from that character on, with an ellipsis for each part that is not.
fn excerpt(line: &str, from: usize) -> String {
    let at = |n| line.char_indices().nth(n).map_or(line.len(), |(at, _)| at);
    let (start, end) = (at(from), at(from + MAX_LINE));
    let before = if start > 0 { "…" } else { "" };
    let after = if end < line.len() { "…" } else { "" };
    format!("{before}{}{after}", &line[start..end])
}
