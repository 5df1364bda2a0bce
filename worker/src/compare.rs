//! Whether a test case's output is what was expected, and where it first is not.

use warren_shared::outcome::Difference;

/// The longest line that is told of a difference, in characters.
const MAX_LINE: usize = 200;

/// The first line in which `actual` differs from `expected`. White space at the end of a line and
/// blank lines at the end of the output do not count.
#[must_use]
pub fn first_difference(expected: &str, actual: &str) -> Option<Difference> {
    let mut expected = expected.trim_end().lines().map(str::trim_end);
    let mut actual = actual.trim_end().lines().map(str::trim_end);
    let mut line = 0_u32;
    loop {
        line = line.saturating_add(1);
        match (expected.next(), actual.next()) {
            (None, None) => return None,
            (want, got) if want == got => {}
            (want, got) => {
                return Some(Difference {
                    line,
                    expected: want.map(shorten),
                    actual: got.map(shorten),
                });
            }
        }
    }
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_ends_does_not_count() {
        for (expected, actual) in [
            ("5", "5\n"),
            ("5\n", "5"),
            ("a\nb", "a  \r\nb\n\n"),
            ("", "\n"),
            ("", ""),
        ] {
            assert_eq!(
                first_difference(expected, actual),
                None,
                "{expected:?} {actual:?}"
            );
        }
    }

    #[test]
    fn the_first_differing_line_is_told() {
        let told = |expected, actual| {
            first_difference(expected, actual).map(|d| {
                (
                    d.line,
                    d.expected.unwrap_or_default(),
                    d.actual.unwrap_or_default(),
                )
            })
        };
        let told_of = |line, expected: &str, actual: &str| {
            Some((line, expected.to_owned(), actual.to_owned()))
        };
        assert_eq!(told("a\nb\nc", "a\nx\nc"), told_of(2, "b", "x"));
        assert_eq!(told("a", "a\nb"), told_of(2, "", "b"));
        assert_eq!(told("a\nb", "a"), told_of(2, "b", ""));
        assert_eq!(told(" a", "a"), told_of(1, " a", "a"));
        assert_eq!(told("1", ""), told_of(1, "1", ""));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "ä".repeat(1000);
        let difference = first_difference(&long, "b").unwrap();
        assert_eq!(difference.expected.unwrap().chars().count(), MAX_LINE + 1);
    }
}
