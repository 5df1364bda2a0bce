//! What can be wrong with a language file.

use std::fmt;

use super::name::{InvalidLanguageName, LanguageName};

/// Why a language file cannot be used. Its text is whole: it holds those of its parts.
#[derive(Debug, thiserror::Error)]
pub enum LanguagesError {
    /// It is no TOML, or has other fields or types than a language file.
    #[error(
        "the language file cannot be read; correct this place (the embedded languages.toml shows the form):\n{0}"
    )]
    Unreadable(Box<toml::de::Error>),
    /// It can be read, but does not make sense.
    #[error("the language file cannot be used; correct these places:{}", list(.0))]
    Unusable(Vec<Fault>),
}

/// One thing that is wrong in a language file.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// Where in the file.
    pub place: Place,
    /// What is wrong there and what would be right.
    pub problem: Problem,
}

/// A place in a language file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A stanza, by its language's name as it is written there.
    Language(String),
    /// A rule in a stanza.
    Rule {
        /// The stanza's language.
        language: String,
        /// The rule's id as it is written there.
        rule: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the file"),
            Self::Language(name) => write!(f, "language {name:?}"),
            Self::Rule { language, rule } => write!(f, "language {language:?}, rule {rule:?}"),
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no stanza.
    #[error("it has no language; add a [[language]] stanza")]
    NoLanguage,
    /// A name or an alias is not of its form.
    #[error("the name or alias {given:?} {source}")]
    Name {
        /// What is written there.
        given: String,
        /// Its form.
        source: InvalidLanguageName,
    },
    /// A name or alias stands for another language already, or twice for this one.
    #[error("the name or alias \"{name}\" is already taken by language \"{by}\"; choose another")]
    NameTaken {
        /// The name.
        name: LanguageName,
        /// What it stands for already.
        by: LanguageName,
    },
    /// The file name is a path, or empty, or of odd characters.
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
    #[error("command does not name the source file {0:?}; without it the program would not be run")]
    CommandWithoutFile(String),
    /// The image is empty or holds spaces.
    #[error("image {0:?} must be the name of a container image, such as \"python:3.10-alpine\"")]
    Image(String),
    /// An exception to what is not done.
    #[error("park_unless is set and park is not; set park = true, or remove it")]
    ParkUnlessAlone,
    /// The exception does not parse or is too large.
    #[error("park_unless is no regular expression that can be used: {0}")]
    ParkUnless(Box<regex::Error>),
    /// There is no such lexer.
    #[error("there is no syntax {0:?}; use \"javascript\", \"python\" or \"none\"")]
    Syntax(String),
    /// A rule's id is empty or of odd characters.
    #[error("the id must be 1 to 64 letters, digits, '-', '_', '.' or '/'")]
    RuleId,
    /// Two rules of one language have the same id.
    #[error("this id is used twice in this language; give each rule its own")]
    RuleTwice,
    /// A rule says nothing to the author of the code.
    #[error("the message is empty; say what is not allowed and what to use instead")]
    Message,
    /// A rule forbids nothing, or several things.
    #[error("exactly one of module, call, member and pattern must be set, not {0}")]
    RuleKind(usize),
    /// Two rules of one language forbid the same.
    #[error("this is forbidden by another rule of this language already; remove one")]
    SameTwice,
    /// A rule that needs tokens, in a language without a lexer.
    #[error("with syntax = \"none\" only `pattern` rules are possible; use one, or set the syntax")]
    NeedsSyntax,
    /// A name in a rule is no name.
    #[error("{kind} {given:?} must be {form}")]
    Target {
        /// The field.
        kind: &'static str,
        /// What is written there.
        given: String,
        /// What would be right.
        form: &'static str,
    },
    /// The regular expression does not parse or is too large.
    #[error("the pattern is no regular expression that can be used: {0}")]
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
