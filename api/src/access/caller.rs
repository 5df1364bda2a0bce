//! Identity of a caller, as far as it is known.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use warren_http::Peer;
use warren_protocol::ids::CallerTag;

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

impl Caller {
    /// Returns the tag by which this caller's work is counted: that of its key or user, else that
    /// of the network of its address. The same at every API.
    pub(crate) fn tag(&self, address: IpAddr) -> CallerTag {
        let name = match self {
            Self::Anonymous => format!("{:?}", Peer::from(address)),
            // `Debug` tells all keys and users apart, since it is derived.
            known => format!("{known:?}"),
        };
        let mut first = [0; 16];
        first.copy_from_slice(&Sha256::digest(name)[..16]);
        CallerTag::new(first)
    }
}

/// Returns the tag that the middleware has put into a request's extensions.
pub(crate) fn counted_as(extensions: &Extensions) -> CallerTag {
    extensions.get().copied().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> CallerTag {
        Caller::Anonymous.tag(address.parse().unwrap())
    }

    #[test]
    fn a_caller_is_its_key_its_user_or_its_network() {
        let anywhere = "192.0.2.1".parse().unwrap();
        let elsewhere = "192.0.2.2".parse().unwrap();
        let key = |name: &str| Caller::Key(name.parse().unwrap());
        let user = |name: &str| Caller::User(Subject::new(name).unwrap());
        assert_eq!(key("a").tag(anywhere), key("a").tag(elsewhere));
        assert_ne!(key("a").tag(anywhere), key("b").tag(anywhere));
        assert_ne!(key("a").tag(anywhere), user("a").tag(anywhere));
        assert_ne!(key("192.0.2.1").tag(anywhere), at("192.0.2.1"));
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
