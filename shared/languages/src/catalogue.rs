//! The set of languages, embedded or from an operator's file.

use std::sync::{Arc, LazyLock};

use crate::fault::LanguagesError;
use crate::file;
use crate::language::Language;

/// The language file, unless the operator names another.
const EMBEDDED: &str = include_str!("../../languages.toml");

/// A set of languages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Languages(Arc<[Language]>);

impl Languages {
    /// Returns the languages of the embedded `languages.toml`.
    #[must_use]
    pub fn embedded() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the file is part of the build and tested"
        )]
        static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
            Languages::from_toml(EMBEDDED).expect("the embedded languages.toml must be usable")
        });
        LANGUAGES.clone()
    }

    /// Reads an operator's file, which has the form of the embedded `languages.toml`.
    ///
    /// # Errors
    /// Every fault of the file, each with its place.
    pub fn from_toml(text: &str) -> Result<Self, LanguagesError> {
        file::parse(text).map(|languages| Self(languages.into()))
    }

    /// Returns the language of that name or alias, in any case of letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Language> {
        self.0.iter().find(|language| language.is_called(name))
    }

    /// Returns the canonical names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.iter()
            .map(|language| language.name().to_string())
            .collect()
    }

    /// Iterates over the languages.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.iter()
    }
}
