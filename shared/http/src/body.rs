//! Reads a request's body within its bounds of size and time.

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use warren_protocol::contract::{Problem, Refusal, expect_json};
use warren_protocol::limits::{ByteSize, MAX_BODY};

use crate::api_error::ApiError;

/// The part of an unwanted body that is read all the same. Closing a connection on a sender resets it,
/// and the sender would see the reset instead of the answer.
const DISCARDED: ByteSize = ByteSize::mib(4);

/// Reads a JSON body of at most [`MAX_BODY`], which must have arrived by `by`.
///
/// # Errors
/// It is too large, too slow, incomplete, or of another media type.
pub async fn read_json(headers: &HeaderMap, body: Body, by: Instant) -> Result<Vec<u8>, ApiError> {
    read_json_within(MAX_BODY, headers, body, by).await
}

/// Reads a JSON body of at most `limit`.
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

/// Reads and discards an unwanted body, as far as it is short and arrives soon.
pub async fn discard(headers: &HeaderMap, body: Body, by: Instant) {
    let is_long = declared_len(headers).is_some_and(|len| len > DISCARDED.get());
    // A sender that expects a 100 has not sent its body yet, and reading would ask for it.
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

/// Checks that the body was sent as plain JSON.
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
        "The request body did not arrive in time. Send it without delay, over a faster connection, or send less.",
    )
}

fn broken() -> Problem {
    Problem::new(
        400,
        "body_incomplete",
        "The request body is incomplete. Send the whole body again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_bodies_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        let given = "gzip-encoded".to_owned();
        assert_eq!(expect_plain_json(&headers), Err(Refusal::NotJson { given }));
        headers.insert(CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(expect_plain_json(&headers), Ok(()));
    }
}
