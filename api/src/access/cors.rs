//! Web origins that may call the API from a browser (`CLIENT_URL`).

use std::str::FromStr;

use axum::http::uri::Scheme;
use axum::http::{HeaderValue, Uri};

/// A web origin, in the form in which browsers send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// The origins of `CLIENT_URL`, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// Returns the origins as values of the `Origin` header.
    pub(crate) fn header_values(&self) -> Vec<HeaderValue> {
        self.0.iter().map(|origin| origin.0.clone()).collect()
    }
}

impl FromStr for Origins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        normal_form(text)
            .and_then(|origin| HeaderValue::try_from(origin).ok())
            .map(Self)
            .ok_or_else(|| InvalidOrigin(text.to_owned()))
    }
}

/// Returns the origin in lower case, without the scheme's default port and without a trailing
/// slash.
fn normal_form(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri
        .scheme()
        .filter(|s| [Scheme::HTTP, Scheme::HTTPS].contains(s))?;
    let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
    let authority = uri.authority()?;
    if !bare || authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let own_port = if *scheme == Scheme::HTTP { 80 } else { 443 };
    // `Authority::port` ignores invalid ports.
    let port = match authority.as_str().strip_prefix(authority.host())? {
        "" => String::new(),
        port => match port.strip_prefix(':')?.parse::<u16>().ok()? {
            port if port == own_port => String::new(),
            port => format!(":{port}"),
        },
    };
    Some(format!(
        "{scheme}://{}{port}",
        authority.host().to_ascii_lowercase()
    ))
}

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a web origin; give scheme, host and port only, like https://app.example.com or http://localhost:3000, several separated by commas"
)]
pub struct InvalidOrigin(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_brought_into_the_form_that_browsers_send() {
        for (given, normal) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("HTTPS://App.Example.com:443", "https://app.example.com"),
            ("http://example.com:80/", "http://example.com"),
            ("https://example.com:80", "https://example.com:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(normal_form(given).as_deref(), Some(normal), "{given}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_advice() {
        for bad in [
            "*",
            "localhost:3000",
            "example.com",
            "ftp://example.com",
            "https://example.com/app",
            "https://example.com/?x",
            "https://user@example.com",
            "https://",
            "http://example.com:99999",
            "https://a b",
        ] {
            let error = bad.parse::<Origin>().unwrap_err();
            assert!(error.to_string().contains("like https://"), "{bad}");
        }
    }

    #[test]
    fn several_are_separated_by_commas() {
        let origins: Origins = "http://a.example, https://b.example ,".parse().unwrap();
        assert_eq!(
            origins.header_values(),
            ["http://a.example", "https://b.example"]
        );
        assert!("http://a.example,nonsense".parse::<Origins>().is_err());
    }
}
