//! API keys: the secret that a caller sends, and the hash that is stored.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::{Choice, ConstantTimeEq};

const PREFIX: &str = "wk_";
/// The random bytes of a key: 256 bits cannot be guessed.
const RANDOM: usize = 32;
/// The characters that these bytes take in base64.
const TAIL: usize = 43;

/// An API key, `wk_` and 43 characters of base64url. Only its creator shows it: `Debug` leaves it
/// out.
pub struct ApiKey(String);

impl ApiKey {
    /// Generates a key from the system's randomness.
    ///
    /// # Errors
    /// The system provides no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; RANDOM];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_unspecified| NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// Returns the hash that is kept of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        let mut hash = [0; RANDOM];
        hash.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        KeyHash(hash)
    }

    /// Returns the key itself, to be shown once to whoever requested it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns whether a text is meant to be a key.
    pub(super) fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl FromStr for ApiKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tail = text.strip_prefix(PREFIX).ok_or(NotAKey)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if tail.len() == TAIL && tail.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAKey)
        }
    }
}

/// The SHA-256 of a key. A slow hash (argon2) protects what people choose, because it makes each
/// guess expensive. 256 random bits cannot be guessed anyway, so it would only slow down every
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHash([u8; RANDOM]);

impl KeyHash {
    /// Compares two hashes in constant time.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Checked first, because `from_str_radix` also accepts a sign.
        if text.len() != 2 * RANDOM || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAHash);
        }
        let mut hash = [0; RANDOM];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_utf8| NotAHash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_digit| NotAHash)?;
        }
        Ok(Self(hash))
    }
}

/// A text that is not a key. Does not quote it.
#[derive(Debug, thiserror::Error)]
#[error("a key is wk_ and 43 letters, digits, '-' and '_'")]
pub struct NotAKey;

/// A text that is not the hash of a key. Does not quote it: it may be a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "sha256 must be the 64 hexadecimal digits that `warren key new` prints, not the key itself"
)]
pub struct NotAHash;

/// The system provides no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system provides no random numbers, so no key can be generated here")]
pub struct NoRandomness;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_one_and_no_other() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let read: ApiKey = one.reveal().parse().unwrap();
        assert!(bool::from(read.hash().is(&one.hash())));
        assert!(!bool::from(read.hash().is(&other.hash())));
        assert_eq!(one.hash().to_string().parse(), Ok(one.hash()));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn the_hash_is_the_one_that_other_tools_compute() {
        // printf wk_AAAA… | sha256sum
        let key: ApiKey = format!("wk_{}", "A".repeat(43)).parse().unwrap();
        assert_eq!(
            key.hash().to_string(),
            "0c79ae766bb1d0557a3f54e491c56180a6c8d1654185dfa8a2d86a8c83e4dcaf"
        );
    }

    #[test]
    fn what_is_not_of_the_form_is_neither() {
        let long = format!("wk_{}", "a".repeat(44));
        let odd = format!("wk_{}+", "a".repeat(42));
        for bad in ["", "wk_", "wk_short", &long, &odd, &"a".repeat(46)] {
            assert!(bad.parse::<ApiKey>().is_err(), "{bad:?}");
        }
        for bad in [
            "",
            &"0".repeat(63),
            &"g".repeat(64),
            &"+1".repeat(32),
            &"ä".repeat(32),
        ] {
            assert!(bad.parse::<KeyHash>().is_err(), "{bad:?}");
        }
    }
}
