//! Signatures of callbacks (Standard Webhooks): HMAC-SHA256 of id, time and body.
//!
//! They let a receiver verify the sender, the content and the time.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The prefix of a secret.
const PREFIX: &str = "whsec_";
/// The allowed sizes of a secret in bytes.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;
/// The most secrets at a time.
const MAX_SECRETS: usize = 8;

/// The secrets that sign callbacks: more than one while they are rotated.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<Vec<u8>>);

/// A text that is not a list of secrets. Leaves out the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one to {MAX_SECRETS} secrets, separated by spaces, each {PREFIX} and the base64 of {} to {} random bytes; make one with: echo {PREFIX}$(openssl rand -base64 32)",
    SIZES.start(), SIZES.end()
)]
pub struct InvalidSecrets;

impl FromStr for Secrets {
    type Err = InvalidSecrets;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let secret = |word: &str| {
            let secret = word.strip_prefix(PREFIX)?;
            let secret = STANDARD.decode(secret).ok()?;
            SIZES.contains(&secret.len()).then_some(secret)
        };
        let secrets: Option<Vec<_>> = text.split_whitespace().map(secret).collect();
        secrets
            .filter(|secrets| (1..=MAX_SECRETS).contains(&secrets.len()))
            .map(Self)
            .ok_or(InvalidSecrets)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({}…)", self.0.len())
    }
}

impl Secrets {
    /// Returns the value of `webhook-signature`: one signature for each secret.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signatures = self.0.iter().filter_map(|secret| {
            // HMAC accepts a key of any length.
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            mac.update(head.as_bytes());
            mac.update(body);
            let signature = STANDARD.encode(mac.finalize().into_bytes());
            Some(format!("v1,{signature}"))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_standards_example_is_signed_as_it_says() {
        let secrets: Secrets = SECRET.parse().unwrap();
        assert_eq!(secrets.sign(ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn each_secret_signs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let secrets: Secrets = format!("{other} {SECRET}").parse().unwrap();
        let signed = secrets.sign(ID, 1_614_265_330, BODY);
        let (first, second) = signed.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert!(first.starts_with("v1,") && first != SIGNATURE);
    }

    #[test]
    fn only_whole_secrets_are_taken_and_none_is_shown() {
        for size in [24, 32, 64] {
            let good = format!("whsec_{}", STANDARD.encode(vec![1; size]));
            assert!(good.parse::<Secrets>().is_ok(), "{size}");
        }
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        let many = format!("{SECRET} ").repeat(MAX_SECRETS + 1);
        let bare = SECRET.trim_start_matches(PREFIX);
        for bad in ["", "whsec_", "whsec_###", &short, &long, &many, bare] {
            assert_eq!(bad.parse::<Secrets>(), Err(InvalidSecrets), "{bad}");
        }
        let secrets: Secrets = SECRET.parse().unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(1…)");
        assert!(!InvalidSecrets.to_string().contains(bare));
    }
}
