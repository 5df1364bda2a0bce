//! Identity of a caller, as far as it is known.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who sends a request. Put into the request's extensions by whatever checks credentials; nobody
/// but that makes one that is not [`Caller::Anonymous`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Nobody said, and nobody asked.
    #[default]
    Anonymous,
    /// Whoever holds the API key of this name.
    Key(KeyName),
    /// The user of whom an ID token speaks.
    User(Subject),
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The name of an API key: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName(Arc<str>);

impl FromStr for KeyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if (1..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot name a key.
#[derive(Debug, thiserror::Error)]
#[error("a key's name is 1 to 64 letters, digits, '-', '_' or '.'")]
pub struct InvalidName;

/// A user, as the token's issuer calls it (`sub`): 1 to 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject(Arc<str>);

impl Subject {
    /// The longest, as OpenID Connect has it.
    const MAX_LEN: usize = 255;

    /// The subject, if it can be one.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (1..=Self::MAX_LEN)
            .contains(&text.len())
            .then(|| Self(text.into()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
