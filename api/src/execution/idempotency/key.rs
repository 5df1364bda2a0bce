//! `Idempotency-Key` of a request, combined with its caller, room and body.

use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use warren_protocol::contract::Problem;
use warren_protocol::ids::RoomId;

use crate::access::caller::Caller;
use crate::store::{ClaimKey, Fingerprint};

/// The header of a request's key.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer about an earlier request's job.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key.
const MAX_LEN: usize = 255;

/// A request that has a key.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    pub(crate) key: ClaimKey,
    pub(crate) fingerprint: Fingerprint,
}

impl Keyed {
    /// Reads the key; `None` without one. The same key of another caller or in another room is
    /// another key. Only the body of the request counts, because headers only say how to answer.
    pub(crate) fn of(
        headers: &HeaderMap,
        caller: &Caller,
        room: &RoomId,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(header) = given.next() else {
            return Ok(None);
        };
        let key = header.to_str().ok().filter(|key| fits(key));
        let (Some(key), None) = (key, given.next()) else {
            return Err(invalid());
        };
        // `Debug` tells all callers apart, since it is derived. Keys in the store depend on it:
        // renaming `Caller` or its parts would forget the claims of the last 24 hours.
        let caller = format!("{caller:?}");
        Ok(Some(Self {
            key: ClaimKey::of([&caller, room.as_str(), key]),
            fingerprint: Fingerprint::of(body),
        }))
    }
}

fn fits(key: &str) -> bool {
    (1..=MAX_LEN).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
}

fn invalid() -> Problem {
    Problem::new(
        400,
        "invalid_idempotency_key",
        format!(
            "Idempotency-Key must be one header of 1 to {MAX_LEN} visible ASCII characters, without spaces. Send a UUID, for example."
        ),
    )
    .with_details(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[&[u8]], room: &str, body: &[u8]) -> Result<Option<Keyed>, Problem> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(
                IDEMPOTENCY_KEY,
                axum::http::HeaderValue::from_bytes(key).unwrap(),
            );
        }
        Keyed::of(&headers, &Caller::Anonymous, &room.parse().unwrap(), body)
    }

    #[test]
    fn a_key_is_visible_ascii_of_one_header() {
        assert!(of(&[], "r", b"{}").unwrap().is_none());
        let longest = [b'k'; MAX_LEN];
        for good in [&b"k"[..], b"!~", &longest] {
            assert!(of(&[good], "r", b"{}").unwrap().is_some());
        }
        let longer = [b'k'; MAX_LEN + 1];
        for bad in [&b""[..], b"a b", b"\xff", "ä".as_bytes(), b"a\tb", &longer] {
            assert_eq!(of(&[bad], "r", b"{}").unwrap_err().status, 400, "{bad:?}");
        }
        assert!(of(&[b"one", b"two"], "r", b"{}").is_err());
    }

    #[test]
    fn room_key_and_body_count() {
        let keyed = |key: &[u8], room, body| of(&[key], room, body).unwrap().unwrap();
        let one = keyed(b"k", "r", b"{}");
        assert_eq!(keyed(b"k", "r", b"{ }").key, one.key);
        assert_ne!(keyed(b"k", "r", b"{ }").fingerprint, one.fingerprint);
        assert_ne!(keyed(b"l", "r", b"{}").key, one.key);
        assert_ne!(keyed(b"k", "s", b"{}").key, one.key);
    }
}
