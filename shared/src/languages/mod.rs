//! The languages that can be run, as data: names, commands, images, and what their code may not do.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A language's canonical name: lower-case letters, digits, `+`, `#`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LanguageName(String);

impl LanguageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LanguageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the forbidden patterns are enforced (`WARREN_POLICY=off` switches them off).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyMode {
    /// Code that matches a pattern is refused.
    Enforce,
    /// The operator relies on the container alone.
    Off,
}

/// One forbidden thing in a piece of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule's id.
    pub rule: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is not allowed and what to use instead.
    pub message: String,
}

/// One language.
#[derive(Debug)]
pub struct Language {
    name: LanguageName,
}

impl Language {
    /// Its canonical name.
    #[must_use]
    pub fn name(&self) -> &LanguageName {
        &self.name
    }

    /// The name the source is written to in the container (`main.py`).
    #[must_use]
    pub fn file_name(&self) -> &str {
        todo!()
    }

    /// The command that runs it in the container, the source file's name included.
    #[must_use]
    pub fn command(&self) -> &[String] {
        todo!()
    }

    /// The image its containers are made from unless the operator chooses another.
    #[must_use]
    pub fn default_image(&self) -> &str {
        todo!()
    }

    /// Every forbidden thing in `code`, in order of place.
    #[must_use]
    pub fn check(&self, code: &str) -> Vec<Violation> {
        todo!()
    }
}

/// All languages.
#[derive(Clone, Debug)]
pub struct Languages(Arc<Vec<Language>>);

impl Languages {
    /// Those of the embedded `languages.toml`.
    #[must_use]
    pub fn embedded() -> Self {
        todo!()
    }

    /// Those of an operator's file.
    ///
    /// # Errors
    /// What is wrong with the file and where.
    pub fn from_toml(text: &str) -> Result<Self, LanguagesError> {
        todo!()
    }

    /// The language of that name or alias, in any case of letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Language> {
        todo!()
    }

    /// The canonical names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        todo!()
    }

    /// Each language.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.iter()
    }
}

/// Why a language file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LanguagesError {}
