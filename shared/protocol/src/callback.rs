//! The address that a job's result is posted to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// The longest address, in bytes.
const MAX_LEN: usize = 2048;

/// An absolute `http` or `https` address with a host and without user, password or fragment.
/// Whether that host may be called is decided at the time of the call, by its IP address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallbackUrl(Url);

/// A text that is no callback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the callbackUrl must be an absolute http or https address of at most {MAX_LEN} bytes, without user, password or fragment"
)]
pub struct InvalidCallbackUrl;

impl CallbackUrl {
    /// Returns the address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for CallbackUrl {
    type Err = InvalidCallbackUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_fault| InvalidCallbackUrl)?;
        let fits = text.len() <= MAX_LEN
            && matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        fits.then_some(Self(url)).ok_or(InvalidCallbackUrl)
    }
}

impl TryFrom<String> for CallbackUrl {
    type Error = InvalidCallbackUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CallbackUrl> for String {
    fn from(url: CallbackUrl) -> Self {
        url.0.into()
    }
}

// A path or query may hold its owner's secret, so only the origin is shown.
impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({}…)", self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_absolute_addresses_are_accepted() {
        for good in ["https://example.com/hook?a=1", "http://[::1]:8080/"] {
            assert!(good.parse::<CallbackUrl>().is_ok(), "{good}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_LEN));
        for bad in [
            "",
            "/hook",
            "ftp://a/",
            "https://u@a/",
            "https://u:p@a/",
            "https://a/#b",
            "file:///a",
            &long,
        ] {
            assert_eq!(bad.parse::<CallbackUrl>(), Err(InvalidCallbackUrl), "{bad}");
        }
    }

    #[test]
    fn the_shown_address_has_no_path() {
        let url: CallbackUrl = "https://example.com/secret".parse().unwrap();
        assert_eq!(format!("{url:?}"), "CallbackUrl(https://example.com…)");
    }
}
