//! The shared secret of a worker's `POST /execute`.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;

/// The variable from which a worker, and the API that sends it submissions, reads the secret.
pub const WORKER_SECRET_VARIABLE: &str = "WARREN_WORKER_SECRET";

/// A secret shared by a worker and its clients. `Debug` leaves it out.
#[derive(Clone)]
pub struct WorkerSecret(String);

impl WorkerSecret {
    /// The minimum length: a shorter secret could be guessed by trial.
    pub const MIN_LEN: usize = 16;
    /// The maximum length.
    pub const MAX_LEN: usize = 256;

    /// Returns the value of an `Authorization` header that presents the secret.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Returns whether an `Authorization` header with this value presents the secret. The
    /// comparison takes constant time, so its duration does not reveal how much of a guess was
    /// right.
    #[must_use]
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, shown)) = authorization.split_at_checked(SCHEME.len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(SCHEME) && self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for WorkerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerSecret(…)")
    }
}

impl FromStr for WorkerSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (Self::MIN_LEN..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSecret)
        }
    }
}

/// A text that cannot be the secret. The message does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be 16 to 256 visible ASCII characters without spaces, such as what `openssl rand -hex 32` prints"
)]
pub struct InvalidSecret;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_as_a_bearer_is_right() {
        let secret: WorkerSecret = "0123456789abcdef".parse().unwrap();
        assert!(secret.is_shown_by(secret.bearer().as_bytes()));
        assert!(secret.is_shown_by(b"bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert!(!secret.is_shown_by(wrong.as_bytes()), "{wrong:?}");
        }
    }

    #[test]
    fn short_ones_are_refused_and_none_is_shown() {
        for bad in ["", "short", "with a space in it", "ümlaut-ümlaut-ümlaut"] {
            let fault = bad.parse::<WorkerSecret>().unwrap_err().to_string();
            assert!(bad.is_empty() || !fault.contains(bad), "{fault}");
        }
        let secret: WorkerSecret = "0123456789abcdef".parse().unwrap();
        assert!(!format!("{secret:?}").contains("0123"));
    }
}
