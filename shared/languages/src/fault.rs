//! Faults of a language file.

use std::fmt;

use super::image::InvalidImageReference;
use super::name::{InvalidLanguageName, LanguageName};

/// A language file that cannot be used. The message is complete: it includes those of its faults.
#[derive(Debug, thiserror::Error)]
pub enum LanguagesError {
    /// It is not TOML, or has other fields or types than a language file.
    #[error(
        "cannot read the language file; correct this place (the embedded languages.toml shows the form):\n{0}"
    )]
    Unreadable(Box<toml::de::Error>),
    /// It is TOML of the right form, but its content has faults.
    #[error("cannot use the language file; correct these faults:{}", list(.0))]
    Unusable(Vec<Fault>),
}

/// A fault in a language file.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {problem}")]
pub struct Fault {
    /// The part of the file.
    pub location: Location,
    /// The problem, and what would be right.
    pub problem: Problem,
}

/// A part of a language file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The file as a whole.
    File,
    /// A stanza, by its language's name as written there.
    Language(String),
    /// A rule in a stanza.
    Rule {
        /// The stanza's language.
        language: String,
        /// The rule's id as written there.
        rule: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the file"),
            Self::Language(name) => write!(f, "language {name:?}"),
            Self::Rule { language, rule } => write!(f, "language {language:?}, rule {rule:?}"),
        }
    }
}

/// A problem in one part of a language file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file has no stanza.
    #[error("there is no language; add a [[language]] stanza")]
    NoLanguage,
    /// A name or an alias has the wrong form.
    #[error("the name or alias {given:?} {source}")]
    Name {
        /// The text as written.
        given: String,
        /// The right form.
        source: InvalidLanguageName,
    },
    /// A name or an alias already belongs to another language, or appears twice in this one.
    #[error("the name or alias \"{name}\" is already taken by language \"{by}\"; choose another")]
    NameTaken {
        /// The name.
        name: LanguageName,
        /// The language that already has it.
        by: LanguageName,
    },
    /// The file name is a path, is empty, or has characters that are not allowed.
    #[error(
        "file_name {0:?} must be a plain file name (no folder): 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
    )]
    FileName(String),
    /// The command has no program, or an empty argument.
    #[error(
        "command must hold a program and its arguments, none of them empty: [\"node\", \"main.js\"]"
    )]
    Command,
    /// The command does not run the source file.
    #[error("command does not name the source file {0:?}; name it, or the program would not run")]
    CommandWithoutFile(String),
    /// The image is no reference with a tag or a digest.
    #[error("image {0}")]
    Image(#[source] InvalidImageReference),
    /// There is an exception to parking, but no parking.
    #[error("park_unless is set and park is not; set park = true, or remove it")]
    ParkUnlessAlone,
    /// The exception to parking does not parse or is too large.
    #[error("park_unless is not a usable regular expression: {0}")]
    ParkUnless(Box<regex::Error>),
    /// There are variables for parking, but no parking.
    #[error("park_env is set and park is not; set park = true, or remove it")]
    ParkEnvAlone,
    /// A variable for parking cannot be one.
    #[error(
        "park_env has the variable {0:?}, which cannot be set; its name must not be empty nor hold '=', nor its value a NUL"
    )]
    ParkEnv(String),
    /// The syntax is unknown.
    #[error("there is no syntax {0:?}; use \"javascript\", \"python\" or \"none\"")]
    Syntax(String),
    /// A rule's id is empty, too long, or has characters that are not allowed.
    #[error("the id must be 1 to 64 letters, digits, '-', '_', '.' or '/'")]
    RuleId,
    /// Two rules of one language have the same id.
    #[error("this id is used twice in this language; give each rule its own")]
    RuleTwice,
    /// A rule has no message for the author of the code.
    #[error("the message is empty; say what is not allowed and what to use instead")]
    Message,
    /// A rule states no forbidden thing, or several.
    #[error("exactly one of module, call, member and pattern must be set, not {0}")]
    RuleKind(usize),
    /// Two rules of one language forbid the same.
    #[error("another rule of this language already forbids this; remove one")]
    SameTwice,
    /// A rule that needs tokens, in a language without a lexer.
    #[error(
        "with syntax = \"none\" only `pattern` rules are possible; use one, or set another syntax"
    )]
    NeedsSyntax,
    /// A name in a rule has the wrong form.
    #[error("{kind} {given:?} must be {form}")]
    Target {
        /// The field.
        kind: &'static str,
        /// The text as written.
        given: String,
        /// The right form.
        form: &'static str,
    },
    /// The regular expression does not parse or is too large.
    #[error("the pattern is not a usable regular expression: {0}")]
    Pattern(Box<regex::Error>),
    /// The regular expression would match everywhere.
    #[error(
        "the pattern matches the empty text, so it would forbid every program; make it match something"
    )]
    PatternMatchesNothing,
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
