//! Credential of a request.

use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::api_key::ApiKey;
use super::denied::{Denied, Invalid};

/// The header that may hold an API key instead of `Authorization`.
pub(crate) const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// The longest token; Firebase's have about a thousand bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The credential that a request carries. No `Debug`: it is a secret.
pub(super) enum Credential<'a> {
    Key(ApiKey),
    /// A token, not yet checked.
    Token(&'a str),
}

impl<'a> Credential<'a> {
    /// Returns the credential of a request.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, Denied> {
        let shown = headers
            .get_all(AUTHORIZATION)
            .iter()
            .chain(headers.get_all(API_KEY_HEADER));
        let mut shown = shown;
        let credential = match (shown.next(), shown.next()) {
            (None, _) => return Err(Denied::Missing),
            // Whichever we took, a proxy on the way may have checked the other.
            (Some(_), Some(_)) => return Err(Denied::Invalid(Invalid::Ambiguous)),
            (Some(only), None) => only,
        };
        let read = if headers.contains_key(AUTHORIZATION) {
            Self::bearer(credential)
        } else {
            credential.to_str().ok().and_then(Self::key)
        };
        read.ok_or(Denied::Invalid(Invalid::Form))
    }

    fn bearer(value: &'a HeaderValue) -> Option<Self> {
        let (scheme, shown) = value.to_str().ok()?.split_once(' ')?;
        let shown = shown.trim();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        if ApiKey::is_meant(shown) {
            return Self::key(shown);
        }
        (shown.len() <= MAX_TOKEN).then_some(Self::Token(shown))
    }

    fn key(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self::Key)
    }
}
