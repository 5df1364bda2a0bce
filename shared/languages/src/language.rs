//! One language: names, command, image, parking and rules.

use crate::image::ImageReference;
use crate::name::LanguageName;
use crate::parking::Parking;
use crate::rules::Rules;
use crate::violation::Violation;

/// A language that can be run.
#[derive(Debug)]
pub struct Language {
    pub(crate) name: LanguageName,
    pub(crate) aliases: Vec<LanguageName>,
    pub(crate) file_name: String,
    pub(crate) command: Vec<String>,
    pub(crate) default_image: ImageReference,
    pub(crate) canary: Option<String>,
    pub(crate) parking: Parking,
    pub(crate) park_env: Vec<(String, String)>,
    pub(crate) rules: Rules,
}

impl Language {
    /// Returns its canonical name.
    #[must_use]
    pub fn name(&self) -> &LanguageName {
        &self.name
    }

    /// Returns the name of its source file in the container (`main.py`).
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the command that runs it in the container, which includes the source file's name.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Returns the image of its containers, unless the operator chooses another.
    #[must_use]
    pub fn default_image(&self) -> &ImageReference {
        &self.default_image
    }

    /// Returns a program that prints its input, which shows that the language can be run.
    #[must_use]
    pub fn canary(&self) -> Option<&str> {
        self.canary.as_deref()
    }

    /// Returns true if its interpreter can be started ahead of its program and wait for it.
    #[must_use]
    pub fn parks(&self) -> bool {
        self.parking.is_possible()
    }

    /// Returns the variables that only a parked interpreter gets, by name and value.
    #[must_use]
    pub fn park_env(&self) -> &[(String, String)] {
        &self.park_env
    }

    /// Returns true if a parked interpreter can read this program.
    #[must_use]
    pub fn parked_reads(&self, code: &str) -> bool {
        self.parking.suits(code)
    }

    /// Returns the violations in `code` in order of position, at most 50. Takes time linear in the
    /// code's length and never fails: the interpreter refuses invalid programs.
    #[must_use]
    pub fn check(&self, code: &str) -> Vec<Violation> {
        self.rules.check(code)
    }

    /// Returns its other names.
    #[must_use]
    pub fn aliases(&self) -> &[LanguageName] {
        &self.aliases
    }

    /// Returns true if this is its name or one of its aliases, in any case of letters.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .any(|own| own.as_str().eq_ignore_ascii_case(name))
    }
}
