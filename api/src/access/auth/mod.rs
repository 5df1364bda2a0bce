//! Authentication of callers by API keys and ID tokens.

mod api_key;
mod config;
mod credential;
mod denied;
mod fetch_policy;
mod jwks;
mod key_ring;
mod key_set;
mod keys;
mod provider;
mod rooms;
mod rs256;
mod tokens;

use axum::http::HeaderMap;

pub use api_key::{ApiKey, KeyHash, NoRandomness};
pub use config::{AuthConfig, Switch};
pub(crate) use credential::API_KEY_HEADER;
pub(crate) use denied::{Denied, Invalid};
pub use provider::Provider;
pub(crate) use rooms::Rooms;

use credential::Credential;
use key_ring::KeyRing;
use keys::Role;
use tokens::Tokens;

use crate::access::caller::Caller;
use crate::access::rate::Limit;

/// Authenticates callers.
pub(crate) struct Auth {
    keys: Option<KeyRing>,
    tokens: Option<Tokens>,
}

/// The identity of a caller, and what it may do.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    pub(crate) rooms: Rooms,
    /// The caller's own limit, instead of the general one.
    pub(crate) limit: Option<Limit>,
    role: Role,
}

impl Auth {
    /// Starts following the keys, if callers must authenticate.
    pub(crate) fn start(config: AuthConfig) -> Option<Self> {
        config.is_on().then(|| Self {
            keys: config.keys_file.map(KeyRing::follow),
            tokens: config.provider.map(Tokens::new),
        })
    }

    /// Identifies the sender of a request with these headers.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Identity, Denied> {
        match Credential::of(headers)? {
            Credential::Key(key) => {
                let ring = self.keys.as_ref();
                let ring = ring.ok_or(Denied::Invalid(Invalid::KeysNotTaken))?;
                let keys = ring.keys();
                let key = keys.find(&key).ok_or(Denied::Invalid(Invalid::Key))?;
                Ok(Identity {
                    caller: Caller::Key(key.name.clone()),
                    rooms: key.rooms.clone(),
                    limit: key.limit,
                    role: key.role,
                })
            }
            Credential::Token(token) => {
                let tokens = self.tokens.as_ref();
                let tokens = tokens.ok_or(Denied::Invalid(Invalid::TokensNotTaken))?;
                let user = tokens.user(token).await?;
                Ok(Identity {
                    caller: Caller::User(user.subject),
                    rooms: user.rooms,
                    limit: None,
                    role: Role::Ordinary,
                })
            }
        }
    }
}

impl Identity {
    /// Returns the identity of every caller while authentication is off. It has an operator's
    /// rights.
    pub(crate) fn anonymous() -> Self {
        Self {
            caller: Caller::Anonymous,
            rooms: Rooms::All,
            limit: None,
            role: Role::Operator,
        }
    }

    /// Returns whether the caller may use what is reserved for operators.
    pub(crate) fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
}
