//! A request's body, within its bounds of size and time.

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use warren_protocol::contract::{Problem, Refusal, expect_json};
use warren_protocol::limits::{ByteSize, MAX_BODY};

use crate::api_error::ApiError;

/// How much of a body that is not wanted is read all the same. A connection closed on a sender
/// resets it, and the sender would see that instead of our answer.
const DISCARDED: ByteSize = ByteSize::mib(4);

/// Reads a JSON body of at most [`MAX_BODY`], to be there `by` then.
///
/// # Errors
/// It is too large, too slow, broken off, or sent as something else.
pub async fn read_json(headers: &HeaderMap, body: Body, by: Instant) -> Result<Vec<u8>, ApiError> {
    read_json_within(MAX_BODY, headers, body, by).await
}

/// The same of at most `limit`.
///
/// # Errors
/// As [`read_json`].
pub async fn read_json_within(
    limit: ByteSize,
    headers: &HeaderMap,
    body: Body,
    by: Instant,
) -> Result<Vec<u8>, ApiError> {
    let declared = declared_len(headers);
    if declared.is_some_and(|len| len > limit.get()) {
        discard(headers, body, by).await;
        return Err(Refusal::BodyTooLarge { limit }.into());
    }
    let mut read = Vec::with_capacity(declared.and_then(|n| n.try_into().ok()).unwrap_or(0));
    let mut chunks = body.into_data_stream();
    loop {
        match timeout_at(by, chunks.next()).await {
            Err(_elapsed) => return Err(too_slow().into()),
            Ok(None) => break,
            Ok(Some(Err(_broken))) => return Err(broken().into()),
            Ok(Some(Ok(chunk))) if read.len() + chunk.len() > limit.as_len() => {
                discard_rest(chunks, by).await;
                return Err(Refusal::BodyTooLarge { limit }.into());
            }
            Ok(Some(Ok(chunk))) => read.extend_from_slice(&chunk),
        }
    }
    expect_plain_json(headers)?;
    Ok(read)
}

/// Reads a body that is not wanted, as far as it is short and comes soon.
pub async fn discard(headers: &HeaderMap, body: Body, by: Instant) {
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

/// That the body was sent as plain JSON.
fn expect_plain_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let lossy = |name| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let encoding = lossy(CONTENT_ENCODING).map(|encoding| encoding.trim().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some("identity") => expect_json(lossy(CONTENT_TYPE).as_deref()),
        Some(encoding) => Err(Refusal::NotJson {
            given: format!("{encoding}-encoded"),
        }),
    }
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

    #[test]
    fn compressed_bodies_are_not_taken() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        let given = "gzip-encoded".to_owned();
        assert_eq!(expect_plain_json(&headers), Err(Refusal::NotJson { given }));
        headers.insert(CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(expect_plain_json(&headers), Ok(()));
    }
}
