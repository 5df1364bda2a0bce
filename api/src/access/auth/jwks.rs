//! Parser of the keys that an issuer publishes (JWKS, RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

/// The most keys of one issuer; some have a dozen.
const MAX_KEYS: usize = 100;
/// The accepted sizes of a modulus, which are ring's. Shorter ones are weak, and longer ones
/// expensive to verify with.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys with which an issuer signs: its RSA keys for RS256. Other keys in its set are ignored.
#[derive(Debug, Default)]
pub(super) struct Jwks(Vec<(Option<String>, DecodingKey)>);

impl Jwks {
    /// Parses a set that has at least one usable key.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwksFault> {
        let set: Set = serde_json::from_slice(text).map_err(|_json| JwksFault::NotASet)?;
        let keys = set.keys.into_iter().filter_map(usable);
        let keys: Vec<_> = keys.take(MAX_KEYS).collect();
        if keys.is_empty() {
            return Err(JwksFault::NoneUsable);
        }
        Ok(Self(keys))
    }

    /// Returns the key with this id. A token may leave the id out if there is only one key.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&DecodingKey> {
        match (id, self.0.as_slice()) {
            (None, [(_, only)]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => {
                let mut keys = keys.iter();
                let found = keys.find(|(known, _)| known.as_deref() == Some(id));
                found.map(|(_, key)| key)
            }
        }
    }
}

fn usable(key: Value) -> Option<(Option<String>, DecodingKey)> {
    // A malformed key is ignored, as is one for elliptic curves.
    let key: Jwk = serde_json::from_value(key).ok()?;
    let signs = key.usage.is_none_or(|usage| usage == "sig");
    let is_rs256 = key.alg.is_none_or(|alg| alg == "RS256");
    let modulus = URL_SAFE_NO_PAD.decode(key.n?).ok()?;
    let exponent = URL_SAFE_NO_PAD.decode(key.e?).ok()?;
    // Some issuers put leading zeros before it.
    let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let fits = key.kty == "RSA" && signs && is_rs256 && MODULUS_BYTES.contains(&modulus.len());
    fits.then(|| {
        let decoding = DecodingKey::from_rsa_raw_components(modulus, &exponent);
        (key.kid, decoding)
    })
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// The reason why a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum JwksFault {
    #[error("it is not a JSON Web Key Set")]
    NotASet,
    #[error("it has no RSA key of 2048 to 8192 bits for RS256")]
    NoneUsable,
}
