//! Properties that hold for every two outputs.

use crate::compare::Compare;
use proptest::prelude::*;

use super::{compare, first_difference, float, same};

/// The comparisons from the strictest on; each accepts what the one before accepts.
const WAYS: [&str; 5] = ["exact", "trimmed", "tokens", "float", "unordered"];

/// Outputs that are often nearly alike.
fn output() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "1", "1.0", "-0", "1e5", "nan", " ", "  ", "\t", "\r", "\n", "\n\n", "\u{a0}",
        "ä",
    ]);
    let alike = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => alike, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn every_output_is_the_same_as_itself(text in output()) {
        for way in WAYS {
            prop_assert!(same(compare(way), &text, &text), "{}", way);
        }
    }

    #[test]
    fn comparisons_are_symmetric(a in output(), b in output()) {
        for way in WAYS {
            prop_assert_eq!(same(compare(way), &a, &b), same(compare(way), &b, &a), "{}", way);
        }
    }

    #[test]
    fn each_comparison_accepts_what_a_stricter_one_accepts(a in output(), b in output()) {
        for (strict, lax) in [
            ("exact", "trimmed"), ("trimmed", "tokens"), ("tokens", "float"), ("trimmed", "unordered"),
        ] {
            prop_assert!(!same(compare(strict), &a, &b) || same(compare(lax), &a, &b), "{} {}", strict, lax);
        }
    }

    #[test]
    fn exact_is_equality(a in output(), b in output()) {
        prop_assert_eq!(same(compare("exact"), &a, &b), a == b);
    }

    #[test]
    fn tokens_compares_the_words(a in output(), b in output()) {
        let words = a.split_whitespace().eq(b.split_whitespace());
        prop_assert_eq!(same(compare("tokens"), &a, &b), words);
    }

    #[test]
    fn unordered_ignores_the_order(
        lines in prop::collection::vec("[ab ]{0,3}", 0..12).prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        prop_assert!(same(compare("unordered"), &lines.0.join("\n"), &lines.1.join("\n")));
    }

    #[test]
    fn unordered_counts_lines(lines in prop::collection::vec("[ab]{1,2}", 1..12), at in any::<prop::sample::Index>()) {
        let mut fewer = lines.clone();
        let gone = fewer.remove(at.index(lines.len()));
        let missing = first_difference(compare("unordered"), &lines.join("\n"), &fewer.join("\n"));
        prop_assert_eq!(missing.and_then(|difference| difference.expected), Some(gone));
    }

    #[test]
    fn a_larger_tolerance_accepts_more(a in -1e3..1e3_f64, b in -1e3..1e3_f64, one in 1e-9..1.0_f64, two in 1e-9..1.0_f64) {
        let (less, more) = (float(one.min(two)), float(one.max(two)));
        let (a, b) = (a.to_string(), b.to_string());
        prop_assert!(!same(less, &a, &b) || same(more, &a, &b));
    }

    #[test]
    fn numbers_within_the_tolerance_are_the_same(a in -1e9..1e9_f64, off in -0.9..0.9_f64) {
        let near = a + off * 1e-6 * a.abs().max(1.0);
        let far = a + off.signum() * 2.5e-6 * a.abs().max(1.0);
        let (a, near, far) = (a.to_string(), format!("{near:e}"), format!("{far:e}"));
        prop_assert!(same(compare("float"), &a, &near));
        prop_assert!(!same(compare("float"), &a, &far));
    }

    #[test]
    fn no_bytes_make_a_comparison_panic(expected in any::<String>(), actual in any::<Vec<u8>>()) {
        for way in WAYS {
            let way: Compare = compare(way);
            let difference = super::super::first_difference(way, &expected, &actual);
            prop_assert!(difference.is_none_or(|d| d.line > 0 && (d.expected.is_some() || d.actual.is_some())));
        }
    }
}
