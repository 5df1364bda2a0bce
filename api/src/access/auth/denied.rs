//! Refusals of requests without valid credentials, and their answers.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use warren_http::ApiError;
use warren_protocol::contract::Problem;
use warren_protocol::ids::RoomId;

/// `Retry-After` while the issuer's keys cannot be fetched.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const SEND: &str =
    "Send an API key (X-API-Key, or Authorization: Bearer) or an ID token (Authorization: Bearer)";

/// The reason why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It carries no credential.
    Missing,
    /// Its credential is invalid.
    Invalid(Invalid),
    /// Its credential cannot be checked now.
    Unavailable,
    /// Its key may not use that room.
    Room(RoomId),
    /// It needs an operator's key.
    NotOperator,
}

/// The fault of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Ambiguous,
    Form,
    Key,
    KeysNotTaken,
    TokensNotTaken,
    Algorithm,
    UnknownSigner,
    Signature,
    Expired,
    NotYet,
    Issuer,
    Audience,
    Claims,
}

impl Invalid {
    /// Returns a reason for programs, and a message for people.
    fn reason_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::Ambiguous => (
                "ambiguous",
                "More than one credential was sent. Send one, in Authorization or in X-API-Key.",
            ),
            Self::Form => (
                "malformed",
                "The credential is neither an API key (wk_…) nor a signed token. Send `Authorization: Bearer` and either of them.",
            ),
            Self::Key => (
                "unknown_key",
                "This API key is not known here, or was revoked. Ask whoever operates this service for another.",
            ),
            Self::KeysNotTaken => (
                "keys_not_taken",
                "This service takes no API keys. Send an ID token as `Authorization: Bearer`.",
            ),
            Self::TokensNotTaken => (
                "tokens_not_taken",
                "This service takes no ID tokens. Send an API key as `Authorization: Bearer` or X-API-Key.",
            ),
            Self::Algorithm => (
                "algorithm",
                "The token is not signed with RS256. Send an ID token as its issuer gave it.",
            ),
            Self::UnknownSigner => (
                "unknown_signer",
                "The token is signed with a key that its issuer does not publish. Get a new ID token and send that.",
            ),
            Self::Signature => (
                "signature",
                "The token's signature is wrong. Send an ID token as its issuer gave it.",
            ),
            Self::Expired => (
                "expired",
                "The token has expired. Get a new ID token and send that.",
            ),
            Self::NotYet => (
                "not_yet_valid",
                "The token is not valid yet. Send it later; if you operate this service, check its clock.",
            ),
            Self::Issuer => (
                "issuer",
                "The token comes from an issuer that is not taken here. Sign in where this service says.",
            ),
            Self::Audience => (
                "audience",
                "The token is meant for another service. Get an ID token for this one.",
            ),
            Self::Claims => (
                "claims",
                "The token lacks what an ID token must say (sub, iss, aud, exp, and for Firebase iat and auth_time). Send an ID token, not an access token.",
            ),
        }
    }
}

impl Denied {
    fn problem(&self) -> Problem {
        match self {
            Self::Missing => Problem::new(
                401,
                "unauthenticated",
                format!("This service wants to know who calls. {SEND}."),
            ),
            Self::Invalid(invalid) => {
                let (reason, message) = invalid.reason_and_message();
                let problem = Problem::new(401, "invalid_credentials", message);
                problem.with_details(json!({ "reason": reason }))
            }
            Self::Unavailable => Problem::new(
                503,
                "auth_unavailable",
                "ID tokens cannot be checked now: the issuer's keys cannot be fetched. Try again shortly; if you operate this service, see the log, and check that the issuer can be reached from here.",
            )
            .retry_after(RETRY_AFTER),
            Self::Room(room) => Problem::new(
                403,
                "forbidden_room",
                "This API key is not for this room. Use one of its rooms, or ask whoever operates this service for another key.",
            )
            .with_details(json!({ "room": room.as_str() })),
            Self::NotOperator => Problem::new(
                403,
                "operators_only",
                "This is for operators. Send an API key that has `operator = true` in the file of keys.",
            ),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        // RFC 6750: the answer to a request without credentials names no error.
        let challenge = match self {
            Self::Missing => Some("Bearer realm=\"warren\""),
            Self::Invalid(_) => Some("Bearer realm=\"warren\", error=\"invalid_token\""),
            Self::Unavailable | Self::Room(_) | Self::NotOperator => None,
        };
        let mut response = ApiError::from(self.problem()).into_response();
        if let Some(challenge) = challenge {
            let value = HeaderValue::from_static(challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}
