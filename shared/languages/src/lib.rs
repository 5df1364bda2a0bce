//! The languages that can be run, as data: names, commands, images, and what their code may not do.
//!
//! The check of code is a courtesy to well-meaning authors and part of the contract, not what
//! holds hostile code: that is the container. It reads code as the interpreters do, but a program
//! that builds a name while it runs (`globalThis['ev' + 'al']`) is not seen through.

mod escapes;
mod fault;
mod file;
mod lexer;
mod mask;
mod name;
mod parking;
mod place;
mod policy;
mod rule;
mod rules;
mod syntax;
#[cfg(test)]
mod tests;
mod uses;
mod violation;

use std::sync::{Arc, LazyLock};

pub use fault::{Fault, LanguagesError, Place, Problem};
pub use name::{InvalidLanguageName, LanguageName};
pub use policy::{InvalidPolicy, PolicyMode};
pub use violation::Violation;

use parking::Parking;
use rules::Rules;

/// The file that is used unless the operator has one of their own.
const EMBEDDED: &str = include_str!("../../languages.toml");

/// One language.
#[derive(Debug)]
pub struct Language {
    name: LanguageName,
    aliases: Vec<LanguageName>,
    file_name: String,
    command: Vec<String>,
    default_image: String,
    canary: Option<String>,
    parking: Parking,
    rules: Rules,
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
        &self.file_name
    }

    /// The command that runs it in the container, the source file's name included.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The image its containers are made from unless the operator chooses another.
    #[must_use]
    pub fn default_image(&self) -> &str {
        &self.default_image
    }

    /// A program that prints what it reads, to see that the language can be run.
    #[must_use]
    pub fn canary(&self) -> Option<&str> {
        self.canary.as_deref()
    }

    /// Whether its interpreter can be started ahead of its program and wait for it.
    #[must_use]
    pub fn parks(&self) -> bool {
        self.parking.is_possible()
    }

    /// Whether an interpreter that waits for its program can read this one.
    #[must_use]
    pub fn parked_reads(&self, code: &str) -> bool {
        self.parking.suits(code)
    }

    /// The forbidden things in `code` in order of place, at most 50. Takes time linear in the
    /// code's length and never fails: what is no valid program is the interpreter's to refuse.
    #[must_use]
    pub fn check(&self, code: &str) -> Vec<Violation> {
        self.rules.check(code)
    }

    /// Its other names.
    #[must_use]
    pub fn aliases(&self) -> &[LanguageName] {
        &self.aliases
    }

    /// Whether this is its name or one of its aliases, in any case of letters.
    fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .any(|own| own.as_str().eq_ignore_ascii_case(name))
    }
}

/// All languages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Languages(Arc<[Language]>);

impl Languages {
    /// Those of the embedded `languages.toml`.
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

    /// Those of an operator's file, which has the form of the embedded `languages.toml`.
    ///
    /// # Errors
    /// What is wrong with the file and where.
    pub fn from_toml(text: &str) -> Result<Self, LanguagesError> {
        file::parse(text).map(|languages| Self(languages.into()))
    }

    /// The language of that name or alias, in any case of letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Language> {
        self.0.iter().find(|language| language.is_called(name))
    }

    /// The canonical names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.iter()
            .map(|language| language.name().to_string())
            .collect()
    }

    /// Each language.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.iter()
    }
}
