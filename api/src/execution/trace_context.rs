//! Trace of a caller (W3C Trace Context), which travels with the job.

use axum::http::HeaderMap;
use warren_telemetry::traceparent_of;

const TRACEPARENT: &str = "traceparent";
const VERSION_00_LEN: usize = 55;

/// Returns the `traceparent` for a job of this request: the request's own span if traces are
/// exported, else the caller's trace as received.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    traceparent_of(&tracing::Span::current()).or_else(|| received(headers))
}

/// Returns the request's `traceparent`, if it has a well-formed one. Ignores any other.
pub(crate) fn received(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    is_well_formed(value).then(|| value.to_owned())
}

fn is_well_formed(value: &str) -> bool {
    let mut parts = value.split('-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // Later versions may append further parts.
    let length_fits = match version {
        "00" => value.len() == VERSION_00_LEN,
        _ => value.len() <= 2 * VERSION_00_LEN,
    };
    length_fits
        && version != "ff"
        && is_hex(version, 2)
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2)
}

fn is_id(text: &str, len: usize) -> bool {
    is_hex(text, len) && text.bytes().any(|b| b != b'0')
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_traceparents_travel() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_well_formed(good));
        assert!(is_well_formed(&good.replacen("00", "01", 1)));
        assert!(is_well_formed(&format!(
            "{}-more",
            good.replacen("00", "cc", 1)
        )));
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b-01",
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
        assert!(!is_well_formed(&format!("cc{}", &good[2..]).repeat(3)));
    }

    #[test]
    fn one_header_is_a_trace_and_two_are_none() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut headers = HeaderMap::new();
        assert_eq!(received(&headers), None);
        headers.append(TRACEPARENT, good.parse().unwrap());
        assert_eq!(received(&headers).as_deref(), Some(good));
        headers.append(TRACEPARENT, good.parse().unwrap());
        assert_eq!(received(&headers), None);
    }
}
