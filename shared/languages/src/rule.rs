//! A rule of a language file, checked: one forbidden thing.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::fault::Problem;
use super::syntax::Syntax;

/// The most memory a compiled pattern may take. A pattern that counts (`\w{1000}`) can be large.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A rule as a language file states it, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleStanza {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) module: Option<String>,
    pub(super) call: Option<String>,
    pub(super) member: Option<String>,
    pub(super) pattern: Option<String>,
}

/// A forbidden thing, and the message about it.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its id.
    pub(super) id: String,
    /// The explanation, and the alternative to use.
    pub(super) message: String,
    /// The forbidden thing.
    pub(super) forbids: Forbids,
}

/// A kind of forbidden thing.
#[derive(Debug)]
pub(super) enum Forbids {
    /// Loading a module.
    Module(String),
    /// Calling a global function.
    Call(String),
    /// Using a member of a global object.
    Member {
        /// The object.
        object: String,
        /// Its member.
        member: String,
    },
    /// Text in the masked code.
    Pattern(Regex),
}

impl Rule {
    /// Builds the rule of a stanza, or returns all its problems.
    pub(super) fn parse(stanza: RuleStanza, syntax: Syntax) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if !is_id(&stanza.id) {
            problems.push(Problem::RuleId);
        }
        if stanza.message.trim().is_empty() {
            problems.push(Problem::Message);
        }
        let given: Vec<(Kind, String)> = [
            (Kind::Module, stanza.module),
            (Kind::Call, stanza.call),
            (Kind::Member, stanza.member),
            (Kind::Pattern, stanza.pattern),
        ]
        .into_iter()
        .filter_map(|(kind, text)| Some((kind, text?)))
        .collect();
        let forbids = match <[_; 1]>::try_from(given) {
            Ok([(kind, text)]) => kind.parse(text, syntax),
            Err(given) => Err(Problem::RuleKind(given.len())),
        };
        match forbids {
            Ok(forbids) if problems.is_empty() => Ok(Self {
                id: stanza.id,
                message: stanza.message,
                forbids,
            }),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }
}

/// The field that states a rule.
#[derive(Clone, Copy)]
enum Kind {
    Module,
    Call,
    Member,
    Pattern,
}

impl Kind {
    fn parse(self, text: String, syntax: Syntax) -> Result<Forbids, Problem> {
        if syntax == Syntax::None && !matches!(self, Self::Pattern) {
            return Err(Problem::NeedsSyntax);
        }
        match self {
            Self::Module if is_module(&text) => Ok(Forbids::Module(text)),
            Self::Module => Err(Problem::Target {
                kind: "module",
                given: text,
                form: "a module's name without its subpaths, such as \"fs\" or \"os\"",
            }),
            Self::Call if is_name(&text) => Ok(Forbids::Call(text)),
            Self::Call => Err(Problem::Target {
                kind: "call",
                given: text,
                form: "a function's bare name, such as \"eval\"",
            }),
            Self::Member => match text.split_once('.') {
                Some((object, member)) if is_name(object) && is_name(member) => {
                    Ok(Forbids::Member {
                        object: object.to_owned(),
                        member: member.to_owned(),
                    })
                }
                _ => Err(Problem::Target {
                    kind: "member",
                    given: text,
                    form: "an object's name, a dot and a member's name, such as \"process.exit\"",
                }),
            },
            Self::Pattern => {
                let regex = RegexBuilder::new(&text)
                    .multi_line(true)
                    .crlf(true)
                    .size_limit(MAX_PATTERN_BYTES)
                    .build()
                    .map_err(|error| Problem::Pattern(Box::new(error)))?;
                if regex.is_match("") {
                    return Err(Problem::PatternMatchesNothing);
                }
                Ok(Forbids::Pattern(regex))
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

// The syntax handles subpaths: a rule for "fs" covers "fs/promises".
fn is_module(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "_-@".contains(c))
}
