//! The language file: reads its TOML and makes languages of it.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::fault::{Fault, LanguagesError, Location, Problem};
use super::language::Language;
use super::name::LanguageName;
use super::parking::Parking;
use super::rule::{Forbids, Rule, RuleStanza};
use super::rules::Rules;
use super::syntax::Syntax;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    language: Vec<LanguageStanza>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageStanza {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    file_name: String,
    command: Vec<String>,
    image: String,
    canary: Option<String>,
    syntax: String,
    #[serde(default)]
    park: bool,
    park_unless: Option<String>,
    #[serde(default)]
    park_env: BTreeMap<String, String>,
    #[serde(default)]
    forbidden: Vec<RuleStanza>,
}

/// Reads a language file.
pub(super) fn parse(text: &str) -> Result<Vec<Language>, LanguagesError> {
    let file: File =
        toml::from_str(text).map_err(|error| LanguagesError::Unreadable(Box::new(error)))?;
    let mut faults = Vec::new();
    if file.language.is_empty() {
        faults.push(Fault {
            location: Location::File,
            problem: Problem::NoLanguage,
        });
    }
    let mut languages: Vec<Language> = Vec::new();
    for stanza in file.language {
        languages.extend(language(stanza, &languages, &mut faults));
    }
    if faults.is_empty() {
        Ok(languages)
    } else {
        Err(LanguagesError::Unusable(faults))
    }
}

/// Makes a language of a stanza and adds its faults to `faults`; a stanza with faults may yield
/// `None`.
fn language(
    stanza: LanguageStanza,
    earlier: &[Language],
    faults: &mut Vec<Fault>,
) -> Option<Language> {
    let mut fault = |problem| {
        faults.push(Fault {
            location: Location::Language(stanza.name.clone()),
            problem,
        });
    };
    let names = names(&stanza, earlier, &mut fault);
    if !is_file_name(&stanza.file_name) {
        fault(Problem::FileName(stanza.file_name.clone()));
    }
    let usable = |part: &String| !part.is_empty() && !part.contains('\0');
    if stanza.command.is_empty() || !stanza.command.iter().all(usable) {
        fault(Problem::Command);
    } else if !stanza
        .command
        .iter()
        .any(|part| part.contains(&stanza.file_name))
    {
        fault(Problem::CommandWithoutFile(stanza.file_name.clone()));
    }
    let image = stanza.image.parse().map_err(Problem::Image);
    let image = image.map_err(&mut fault).ok();
    let parking = Parking::parse(stanza.park, stanza.park_unless.as_deref())
        .map_err(&mut fault)
        .ok();
    let park_env = park_env(stanza.park, stanza.park_env)
        .map_err(&mut fault)
        .ok();
    let syntax = match stanza.syntax.parse() {
        Ok(syntax) => syntax,
        Err(()) => {
            fault(Problem::Syntax(stanza.syntax));
            return None;
        }
    };
    let rules = rules(&stanza.name, stanza.forbidden, syntax, faults);
    let (name, aliases) = names?;
    let (parking, park_env) = (parking?, park_env?);
    Some(Language {
        name,
        aliases,
        file_name: stanza.file_name,
        command: stanza.command,
        default_image: image?,
        canary: stanza.canary,
        parking,
        park_env,
        rules: Rules::new(syntax, rules),
    })
}

/// Reads the variables of parked interpreters.
fn park_env(
    park: bool,
    variables: BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, Problem> {
    if !park && !variables.is_empty() {
        return Err(Problem::ParkEnvAlone);
    }
    let usable = |(name, value): (&String, &String)| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    match variables.iter().find(|variable| !usable(*variable)) {
        Some((name, _)) => Err(Problem::ParkEnv(name.clone())),
        None => Ok(variables.into_iter().collect()),
    }
}

/// Reads the name and the aliases, none of which may be in use already.
fn names(
    stanza: &LanguageStanza,
    earlier: &[Language],
    fault: &mut impl FnMut(Problem),
) -> Option<(LanguageName, Vec<LanguageName>)> {
    let mut parse = |text: &String| match text.parse::<LanguageName>() {
        Ok(name) => Some(name),
        Err(source) => {
            fault(Problem::Name {
                given: text.clone(),
                source,
            });
            None
        }
    };
    let canonical = parse(&stanza.name)?;
    let mut names = vec![canonical.clone()];
    names.extend(stanza.aliases.iter().filter_map(parse));
    let mut own = HashSet::new();
    for name in &names {
        let owner = earlier
            .iter()
            .find(|language| language.is_called(name.as_str()));
        let by = owner.map_or(&canonical, Language::name);
        if owner.is_some() || !own.insert(name) {
            fault(Problem::NameTaken {
                name: name.clone(),
                by: by.clone(),
            });
        }
    }
    let aliases = names.split_off(1);
    Some((canonical, aliases))
}

/// Reads the usable rules of a stanza and adds the faults of the others to `faults`.
fn rules(
    language: &str,
    stanzas: Vec<RuleStanza>,
    syntax: Syntax,
    faults: &mut Vec<Fault>,
) -> Vec<Rule> {
    let mut ids = HashSet::new();
    let mut targets = HashSet::new();
    let mut rules = Vec::new();
    for stanza in stanzas {
        let id = stanza.id.clone();
        let mut problems = Vec::new();
        if !ids.insert(id.clone()) {
            problems.push(Problem::RuleTwice);
        }
        match Rule::parse(stanza, syntax) {
            Ok(rule) => {
                if !targets.insert(target(&rule.forbids)) {
                    problems.push(Problem::SameTwice);
                }
                rules.push(rule);
            }
            Err(found) => problems.extend(found),
        }
        faults.extend(problems.into_iter().map(|problem| Fault {
            location: Location::Rule {
                language: language.to_owned(),
                rule: id.clone(),
            },
            problem,
        }));
    }
    rules
}

/// Returns a key that two rules share only if they forbid the same.
fn target(forbids: &Forbids) -> String {
    match forbids {
        Forbids::Module(name) => format!("module {name}"),
        Forbids::Call(name) => format!("call {name}"),
        Forbids::Member { object, member } => format!("member {object}.{member}"),
        Forbids::Pattern(regex) => format!("pattern {regex}"),
    }
}

fn is_file_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
