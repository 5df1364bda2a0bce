//! A request's body, within its bounds of size and time.

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use warren_shared::contract::{Problem, Refusal};
use warren_shared::limits::{ByteSize, MAX_BODY};

use crate::api_error::ApiError;

/// How much of a body that is not wanted is read all the same. A connection closed on a sender
/// resets it, and the sender would see that instead of our answer.
const DISCARDED: ByteSize = ByteSize::mib(4);

/// Reads a JSON body.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    by: Instant,
) -> Result<Vec<u8>, ApiError> {
    let declared = declared_len(headers);
    if declared.is_some_and(|len| len > MAX_BODY.get()) {
        discard(headers, body, by).await;
        return Err(Refusal::BodyTooLarge.into());
    }
    let mut read = Vec::with_capacity(declared.and_then(|n| n.try_into().ok()).unwrap_or(0));
    let mut chunks = body.into_data_stream();
    loop {
        match timeout_at(by, chunks.next()).await {
            Err(_elapsed) => return Err(too_slow().into()),
            Ok(None) => break,
            Ok(Some(Err(_broken))) => return Err(broken().into()),
            Ok(Some(Ok(chunk))) if read.len() + chunk.len() > MAX_BODY.as_len() => {
                discard_rest(chunks, by).await;
                return Err(Refusal::BodyTooLarge.into());
            }
            Ok(Some(Ok(chunk))) => read.extend_from_slice(&chunk),
        }
    }
    match not_json(headers) {
        Some(given) => Err(Refusal::NotJson { given }.into()),
        None => Ok(read),
    }
}

/// Reads a body that is not wanted, as far as it is short and comes soon.
pub(crate) async fn discard(headers: &HeaderMap, body: Body, by: Instant) {
    let is_long = declared_len(headers).is_some_and(|len| len > DISCARDED.get());
    // Who expects a 100 waits for our word, and reading would give it.
    if !is_long && !headers.contains_key(EXPECT) {
        discard_rest(body.into_data_stream(), by).await;
    }
}

async fn discard_rest(mut chunks: BodyDataStream, by: Instant) {
    let mut left = DISCARDED.as_len();
    while let Ok(Some(Ok(chunk))) = timeout_at(by, chunks.next()).await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn declared_len(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What the body was sent as, if not as plain JSON. A request without the header is believed.
fn not_json(headers: &HeaderMap) -> Option<String> {
    let lossy = |name| {
        let value = headers
            .get(name)
            .map(|v| String::from_utf8_lossy(v.as_bytes()));
        value.map(|v| v.trim().to_ascii_lowercase())
    };
    if let Some(encoding) = lossy(CONTENT_ENCODING).filter(|e| e != "identity") {
        return Some(format!("{encoding}-encoded"));
    }
    let given = lossy(CONTENT_TYPE)?;
    let essence = given.split(';').next().unwrap_or_default().trim();
    let subtype = essence.strip_prefix("application/");
    let is_json = subtype.is_some_and(|s| s == "json" || s.ends_with("+json"));
    (!is_json).then_some(given)
}

fn too_slow() -> Problem {
    Problem::new(
        408,
        "body_timeout",
        "The request's body did not arrive in time. Send it at once, over a faster connection, or send less.",
    )
}

fn broken() -> Problem {
    Problem::new(
        400,
        "body_incomplete",
        "The request's body broke off. Send it again, whole.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_as(content_type: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        not_json(&headers)
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        assert_eq!(not_json(&HeaderMap::new()), None);
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
        ] {
            assert_eq!(sent_as(good), None, "{good}");
        }
        for bad in ["text/plain", "text/json", "application/jsonp", "", "json"] {
            assert_eq!(sent_as(bad).as_deref(), Some(bad), "{bad}");
        }
    }

    #[test]
    fn compressed_bodies_are_not_taken() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(not_json(&headers).as_deref(), Some("gzip-encoded"));
        headers.insert(CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(not_json(&headers), None);
    }
}
