//! Examples of what each comparison takes as equal, and how it reports a difference.

use super::super::difference::MAX_LINE;
use super::{compare, first_difference, float, same};

/// The line, and the expected and the printed text that are reported.
type Told<'a> = (u32, Option<&'a str>, Option<&'a str>);

#[track_caller]
fn assert_told(way: &str, expected: &str, actual: &str, told: Told<'_>) {
    let difference = first_difference(compare(way), expected, actual).expect("they differ");
    let got = (
        difference.line,
        difference.expected.as_deref(),
        difference.actual.as_deref(),
    );
    assert_eq!(got, told, "{way}: {expected:?} {actual:?}");
}

#[test]
fn trimmed_ignores_white_space_at_ends() {
    for (expected, actual) in [
        ("5", "5\n"),
        ("5\n", "5"),
        ("a\nb", "a  \r\nb\n \n\n"),
        (" \n\na", "\n  \na"),
        ("", "\n"),
        ("", ""),
    ] {
        assert!(
            same(compare("trimmed"), expected, actual),
            "{expected:?} {actual:?}"
        );
    }
    assert_told("trimmed", "a\nb\nc", "a\nx\nc", (2, Some("b"), Some("x")));
    assert_told("trimmed", "a", "a\nb", (2, None, Some("b")));
    assert_told("trimmed", "a\nb", "a", (2, Some("b"), None));
    assert_told("trimmed", " a", "a", (1, Some(" a"), Some("a")));
    assert_told("trimmed", "a\n\nb", "a\nb", (2, Some(""), Some("b")));
    assert_told("trimmed", "1", "", (1, Some("1"), None));
    // A carriage return alone ends no line.
    assert_told("trimmed", "a\nb", "a\rb", (1, Some("a"), Some("a\rb")));
}

#[test]
fn exact_compares_every_byte() {
    assert!(same(compare("exact"), "a\r\n\n", "a\r\n\n"));
    assert_told("exact", "5", "5\n", (2, None, Some("")));
    assert_told("exact", "5\n", "5", (2, Some(""), None));
    assert_told("exact", "a\nb\n", "a\r\nb\n", (1, Some("a"), Some("a\r")));
    assert_told("exact", "a ", "a", (1, Some("a "), Some("a")));
    // A byte that is not text is not the character that stands for it in the answer.
    let no_text = super::super::first_difference(compare("exact"), "ok\n\u{fffd}", b"ok\n\xff");
    assert_eq!(no_text.map(|difference| difference.line), Some(2));
}

#[test]
fn tokens_ignores_how_words_are_spaced() {
    assert!(same(compare("tokens"), "1 2\n3", "\n 1\n2\t3 \n\n"));
    assert!(same(compare("tokens"), "", " \n"));
    assert_told(
        "tokens",
        "1 2\n3 4",
        "1\n2 3\n5",
        (3, Some("3 4"), Some("5")),
    );
    assert_told("tokens", "1 2", "1", (1, Some("1 2"), None));
    assert_told("tokens", "1", "1\n\n  2", (3, None, Some("  2")));
    assert_told("tokens", "12", "1 2", (1, Some("12"), Some("1 2")));
    assert_told("tokens", "1.0", "1", (1, Some("1.0"), Some("1")));
}

#[test]
fn float_compares_numbers_by_value() {
    for (expected, actual) in [
        ("0.3", "0.30000000000000004"),
        ("1", "1.0000009"),
        ("0", "-0.0000009"),
        ("-0", "0"),
        ("100000", "1e5"),
        ("1E5", "+100000.0"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1000000000", "1000000999"),
        // Longer than a double can represent: their first digits count.
        (
            "123456789012345678901234567890",
            "123456789012345678901234567891",
        ),
        ("x = 0.5 m", "x  =  0.5000001\nm"),
        ("nan", "nan"),
        ("1e999", "1e999"),
    ] {
        assert!(
            same(compare("float"), expected, actual),
            "{expected:?} {actual:?}"
        );
    }
    for (expected, actual) in [
        ("1", "1.000002"),
        ("0", "0.000002"),
        ("1", "-1"),
        ("nan", "NaN"),
        ("nan", "1"),
        ("inf", "Infinity"),
        ("1e999", "2e999"),
        ("1e999", "inf"),
        ("1e308", "-1e308"),
        ("0x10", "16"),
        ("1_000", "1000"),
        ("1,5", "1.5"),
        ("--1", "1"),
        ("1", "one"),
        ("1 2", "1"),
    ] {
        assert!(
            !same(compare("float"), expected, actual),
            "{expected:?} {actual:?}"
        );
    }
    assert_told(
        "float",
        "1\n2.5\n3",
        "1.0\n2.6\n3",
        (2, Some("2.5"), Some("2.6")),
    );
    assert!(same(float(0.05), "2.5", "2.6"));
    assert!(!same(float(1e-9), "1", "1.0000009"));
}

#[test]
fn unordered_accepts_the_same_lines_in_any_order() {
    for (expected, actual) in [
        ("a\nb\na", "b\na \na\n"),
        ("a\n\nb", "\nb\r\na"),
        ("", "\n\n"),
    ] {
        assert!(
            same(compare("unordered"), expected, actual),
            "{expected:?} {actual:?}"
        );
    }
    assert_told("unordered", "a\nb\nc", "c\nx\na", (2, Some("b"), Some("x")));
    assert_told("unordered", "a\na\nb", "b\na", (2, Some("a"), None));
    assert_told("unordered", "a\nb", "b\nb\na\nb", (2, None, Some("b")));
    assert_told("unordered", " a", "a", (1, Some(" a"), Some("a")));
}

#[test]
fn long_lines_are_shown_from_shortly_before_they_differ() {
    let told = |expected: &str, actual: &str| {
        let difference = first_difference(compare("trimmed"), expected, actual).unwrap();
        (difference.expected.unwrap(), difference.actual.unwrap())
    };
    let long = "ä".repeat(1000);
    let (expected, actual) = told(&long, "b");
    assert_eq!(expected, format!("{}…", "ä".repeat(MAX_LINE)));
    assert_eq!(actual, "b");
    let (expected, actual) = told(&format!("{long}1{long}"), &format!("{long}2"));
    assert!(expected.starts_with("…ä") && expected.contains("ä1ä") && expected.ends_with("ä…"));
    assert!(expected.chars().count() == MAX_LINE + 2 && actual.ends_with("ä2"));
}
