//! Names, tolerances and their bounds.

use proptest::prelude::*;
use serde_json::Number;

use crate::compare::{Compare, NAMES, Tolerance};

fn number(value: f64) -> Option<Number> {
    Number::from_f64(value)
}

#[test]
fn every_known_name_is_accepted_and_trimmed_is_the_default() {
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
fn unknown_names_are_refused_with_the_known_ones() {
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
fn a_number_just_below_one_is_read_exactly() {
    let number: Number = serde_json::from_str("0.9999999999999999").unwrap();
    assert!(Compare::parse(Some("float"), Some(number)).is_ok());
}

#[test]
fn bounds_hold_for_values_from_the_queue() {
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
