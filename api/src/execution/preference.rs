//! Preferences of a caller (`Prefer`, RFC 7240): not to wait, or not for long.
//!
//! Unknown or malformed preferences are ignored, as the RFC has it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

/// The header of a caller's preferences.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header that lists the honoured preferences.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait. Longer ones make no difference and are cut to it.
const LONGEST: u64 = 24 * 60 * 60;

/// A caller's preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// No preference: answer with the result.
    None,
    /// Answer with the result within this time, which is not zero: nothing could be answered in no
    /// time.
    Within(Duration),
    /// Answer without waiting for the result.
    Async,
    /// Answer with the result if it is there within this time, else without it.
    AsyncAfter(Duration),
}

impl Preference {
    /// Reads the request's headers. If a preference is repeated, the first one counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut respond_async, mut wait) = (None, None);
        for header in headers.get_all(PREFER) {
            for preference in split(header.as_bytes(), b',') {
                let Some((name, value)) = parse(preference) else {
                    continue;
                };
                match name.as_str() {
                    "respond-async" => _ = respond_async.get_or_insert(value.is_empty()),
                    "wait" => _ = wait.get_or_insert(seconds(&value)),
                    _ => {}
                }
            }
        }
        match (respond_async.unwrap_or(false), wait.flatten()) {
            (false, None | Some(Duration::ZERO)) => Self::None,
            (false, Some(wait)) => Self::Within(wait),
            (true, None) => Self::Async,
            (true, Some(wait)) => Self::AsyncAfter(wait),
        }
    }

    /// Adds to the answer which preference was honoured.
    pub(crate) fn applied_to(self, mut answer: Response) -> Response {
        let applied = match self {
            Self::None => return answer,
            Self::Within(wait) => format!("wait={}", wait.as_secs()),
            Self::Async => "respond-async".to_owned(),
            Self::AsyncAfter(wait) => format!("respond-async, wait={}", wait.as_secs()),
        };
        if let Ok(applied) = HeaderValue::try_from(applied) {
            answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        answer
    }
}

/// Splits a text at each `separator` that is not in a quoted string.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        byte == separator && !quoted
    })
}

/// Parses a preference's name, in lower case, and its value; skips its parameters.
fn parse(preference: &[u8]) -> Option<(String, String)> {
    let preference = split(preference, b';').next()?;
    let preference = std::str::from_utf8(preference).ok()?;
    let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
    Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())?))
}

/// Returns a token as it is, and a quoted string without quotes and escapes.
fn unquoted(word: &str) -> Option<String> {
    let Some(rest) = word.strip_prefix('"') else {
        return Some(word.to_owned());
    };
    let mut quoted = rest.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(character) = quoted.next() {
        text.push(match character {
            '\\' => quoted.next()?,
            other => other,
        });
    }
    Some(text)
}

fn seconds(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // A number with too many digits is a long time, too.
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(LONGEST).min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Preference {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Preference::of(&headers)
    }

    fn within(seconds: u64) -> Preference {
        Preference::Within(Duration::from_secs(seconds))
    }

    fn after(seconds: u64) -> Preference {
        Preference::AsyncAfter(Duration::from_secs(seconds))
    }

    #[test]
    fn each_preference_is_read_however_it_is_written() {
        for (values, preference) in [
            (&[][..], Preference::None),
            (&[""], Preference::None),
            (&["return=minimal, handling=lenient"], Preference::None),
            (&["respond-async"], Preference::Async),
            (&["Respond-Async"], Preference::Async),
            (&["respond-async=\"\""], Preference::Async),
            (
                &["foo; respond-async, ,respond-async;x=y "],
                Preference::Async,
            ),
            (&["wait=3"], within(3)),
            (&["WAIT = \"3\"; a=b"], within(3)),
            (&["wait=\"\\3\""], within(3)),
            (&["respond-async, wait=10"], after(10)),
            (&["wait=10", "respond-async"], after(10)),
            (&["respond-async, wait=0"], after(0)),
            // The first counts, also if it says nothing.
            (&["wait=1, wait=2", "wait=3"], within(1)),
            (&["wait=soon, wait=2"], Preference::None),
            // Nothing can be answered in no time.
            (&["wait=0"], Preference::None),
            (&["wait", "respond-async"], Preference::Async),
            (&["wait=-1"], Preference::None),
            (&["wait=1.5"], Preference::None),
            (&["wait=99999999999999999999999"], within(LONGEST)),
            // What is quoted separates nothing.
            (&["foo=\"a, respond-async\""], Preference::None),
            (&["foo=\"a\\\", respond-async\", wait=2"], within(2)),
            (&["respond-async=no"], Preference::None),
            (&["foo=\"unended, respond-async"], Preference::None),
            (&["\u{e9}, respond-async"], Preference::Async),
        ] {
            assert_eq!(of(values), preference, "{values:?}");
        }
    }

    #[test]
    fn what_was_honoured_is_said() {
        for (preference, said) in [
            (Preference::None, None),
            (within(2), Some("wait=2")),
            (Preference::Async, Some("respond-async")),
            (after(7), Some("respond-async, wait=7")),
        ] {
            let answer = preference.applied_to(Response::new(Body::empty()));
            let header = answer.headers().get(PREFERENCE_APPLIED);
            assert_eq!(header.map(|value| value.to_str().unwrap()), said);
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.append(PREFER, value);
            }
            Preference::of(&headers);
        }

        #[test]
        fn what_was_said_to_be_honoured_is_read_as_the_same(wait in 1..LONGEST, later: bool) {
            let preference = if later { after(wait) } else { within(wait) };
            let answer = preference.applied_to(Response::new(Body::empty()));
            let said = answer.headers()[PREFERENCE_APPLIED].to_str().unwrap();
            prop_assert_eq!(of(&[said]), preference);
        }
    }
}
