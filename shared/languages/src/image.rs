//! The reference of a container image, with a tag or a digest.

use std::fmt;
use std::str::FromStr;

/// The length of a SHA-256 digest in hexadecimal digits.
const DIGEST: usize = 64;
/// The longest tag (OCI distribution specification, *Pulling manifests*).
const TAG: usize = 128;

/// The name of a container image, as `NAME:TAG`, `NAME@sha256:DIGEST`, or with both; then the digest
/// alone decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference(String);

impl ImageReference {
    /// Returns it as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no such reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} must be a container image with its tag or digest, such as \"python:3.10-alpine\" or \"python:3.10-alpine@sha256:…\"; without either, Docker would pull every tag there is"
)]
pub struct InvalidImageReference(String);

impl FromStr for ImageReference {
    type Err = InvalidImageReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is that of a registry's port.
        let last = named.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match named[last..].split_once(':') {
            Some((name, tag)) => (&named[..last + name.len()], Some(tag)),
            None => (named, None),
        };
        let is_plain = |text: &str, others: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            !text.is_empty() && text.chars().all(fits)
        };
        let is_name = is_plain(name, "._-/:") && !name.ends_with('/');
        let is_tag = |tag: &str| tag.len() <= TAG && is_plain(tag, "._-");
        let is_digest = |digest: &str| {
            digest.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == DIGEST && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
            })
        };
        let fits = is_name
            && (tag.is_some() || digest.is_some())
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidImageReference(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let parses = |text: &str| text.parse::<ImageReference>().is_ok();
        for good in [
            "python:3.10-alpine".to_owned(),
            "warren-base/python:3.11-debian".to_owned(),
            "registry.example:5000/team/image:v1_2".to_owned(),
            format!("python@{digest}"),
            format!("python:3.10-alpine@{digest}"),
            format!("registry.example:5000/image@{digest}"),
        ] {
            assert!(parses(&good), "{good}");
        }
        for bad in [
            String::new(),
            "python".to_owned(),
            "registry.example:5000/python".to_owned(),
            "python:".to_owned(),
            ":3".to_owned(),
            "a/:3".to_owned(),
            "python:3 alpine".to_owned(),
            "python@sha256:0a".to_owned(),
            format!("python@{}", digest.to_uppercase()),
            format!("python:@{digest}"),
            format!("python:{}", "3".repeat(129)),
        ] {
            assert!(!parses(&bad), "{bad}");
        }
    }
}
