//! Compares byte for byte, final line feeds and bytes that are no text included.

use crate::outcome::Difference;

use super::difference::differ;
use super::lines::Line;

/// Finds the first line that differs in any byte.
pub(super) fn first_difference(expected: &[u8], actual: &[u8]) -> Option<Difference> {
    let newline = |byte: &u8| *byte == b'\n';
    let mut lines = expected.split(newline);
    let mut printed = actual.split(newline);
    let mut number = 0;
    loop {
        number += 1;
        match (lines.next(), printed.next()) {
            (None, None) => return None,
            (want, got) if want == got => {}
            (want, got) => {
                let want = want.map(String::from_utf8_lossy);
                let got = got.map(String::from_utf8_lossy);
                let line = |text| Line { number, text };
                return Some(differ(want.as_deref().map(line), got.as_deref().map(line)));
            }
        }
    }
}
