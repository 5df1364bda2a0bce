//! A language's canonical name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language's canonical name: 1 to 32 lower-case letters, digits, `+`, `#`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = r"^[a-z0-9+#-]{1,32}$", examples("python"))]
pub struct LanguageName(String);

impl LanguageName {
    /// The longest name, in bytes. It becomes part of image names and labels.
    pub const MAX_LEN: usize = 32;

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns this language's variable of a family such as `WARREN_IMAGE_<LANGUAGE>`: its name in
    /// capitals, with `_` for every character but letters and digits (`WARREN_IMAGE_C__`).
    #[must_use]
    pub fn variable(&self, family: &str) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let name: String = self.0.chars().map(plain).collect();
        family.replace("<LANGUAGE>", &name)
    }
}

impl fmt::Display for LanguageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LanguageName {
    type Err = InvalidLanguageName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'#' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLanguageName)
        }
    }
}

impl TryFrom<String> for LanguageName {
    type Error = InvalidLanguageName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LanguageName> for String {
    fn from(name: LanguageName) -> Self {
        name.0
    }
}

/// A language's name that has the wrong form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 32 lower-case letters, digits, '+', '#' or '-'")]
pub struct InvalidLanguageName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_the_name_in_capitals() {
        let variable = |name: &str| {
            let name: LanguageName = name.parse().unwrap();
            name.variable("WARREN_IMAGE_<LANGUAGE>")
        };
        assert_eq!(variable("python"), "WARREN_IMAGE_PYTHON");
        assert_eq!(variable("c++"), "WARREN_IMAGE_C__");
    }
}
