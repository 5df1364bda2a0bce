//! Holds the sources to the list of variables.
//!
//! They read what is listed, and what is listed is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use warren_config::{Reader, variables};

use crate::path;

/// The list itself, where every name is.
const LIST: &str = "shared/config/";
/// The programs' sources.
const PROGRAMS: [&str; 6] = [
    "api/src",
    "worker/src",
    "shared",
    "src",
    "bench/src",
    "runner/src",
];
/// Other files that name variables.
const OTHERS: [&str; 10] = [
    "tests",
    "runner/tests",
    "scripts",
    "docs",
    "deploy",
    "Makefile",
    "README.md",
    "Dockerfile",
    "docker-compose.yml",
    ".env.example",
];
/// Prefixes of constants that are no variables of a running program: cargo's of a build,
/// libseccomp's, the runner's binary (which the worker's build script passes on), and a misspelling
/// that a test uses.
const CONSTANTS: [&str; 4] = ["CARGO_", "SCMP_", "WARREN_RUNNER_BINARY", "WARREN_WAITMS"];
/// Variables that a library reads, so that no source names them.
const OF_LIBRARIES: [(&str, &str); 7] = [
    ("DOCKER_HOST", "bollard"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "opentelemetry-otlp"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "opentelemetry-otlp"),
    ("OTEL_RESOURCE_ATTRIBUTES", "opentelemetry_sdk"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "opentelemetry_sdk"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "opentelemetry_sdk"),
    ("OTEL_BSP_SCHEDULE_DELAY", "opentelemetry_sdk"),
];

#[test]
fn programs_read_listed_variables_alone() {
    for (file, text) in texts(&PROGRAMS) {
        let upper = |name: &&str| name.contains('_') && is_upper(name);
        for name in literals(&text).filter(upper) {
            let constant = CONSTANTS.iter().any(|prefix| name.starts_with(prefix));
            assert!(
                constant || variables::find(name).is_some(),
                "{file} has {name:?}: add it to warren_config::VARIABLES"
            );
        }
    }
}

#[test]
fn nothing_names_a_variable_that_does_not_exist() {
    let mut named = BTreeSet::new();
    for (file, text) in texts(&OTHERS) {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("WARREN_") && is_upper(word)) {
            // A prefix of names, as in `WARREN_OIDC_…`.
            let beginning = variables::all().any(|one| one.name.starts_with(name));
            let known = variables::find(name).is_some() || (name.ends_with('_') && beginning);
            let constant = CONSTANTS.contains(&name);
            assert!(
                known || constant,
                "{file} names {name}, which is not in the list"
            );
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 50, "{named:?}");
}

#[test]
fn every_listed_variable_is_read() {
    let (programs, others) = (texts(&PROGRAMS), texts(&OTHERS));
    for variable in variables::all() {
        let library = OF_LIBRARIES.iter().any(|(name, _)| *name == variable.name);
        let sources = match variable.reader {
            Reader::Api | Reader::Worker | Reader::Both | Reader::Client => &programs,
            // Its own test.
            Reader::Compose => continue,
            Reader::Development => &others,
        };
        let name = variable.family().unwrap_or(variable.name);
        // Programs name it in a literal; comments do not count. Scripts have no such form.
        let form = match variable.reader {
            Reader::Development => name.to_owned(),
            _ if variable.family().is_some() => format!("\"{name}"),
            _ => format!("\"{name}\""),
        };
        let read = sources.values().any(|text| text.contains(&form));
        assert_ne!(
            read, library,
            "{name}: read by a source, or else by a library of the list here"
        );
    }
}

/// Returns the texts of all sources in these places, by path.
fn texts(places: &[&str]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for place in places {
        gather(place, &mut texts);
    }
    assert!(texts.len() >= places.len(), "{places:?} are there");
    texts
}

fn gather(place: &str, texts: &mut BTreeMap<String, String>) {
    if place.starts_with(LIST) {
        return;
    }
    let whole = path(place);
    if whole.is_dir() {
        for entry in fs::read_dir(&whole).unwrap() {
            let name = entry.unwrap().file_name();
            let inner = Path::new(place).join(name);
            gather(inner.to_str().unwrap(), texts);
        }
    } else if let Ok(text) = fs::read_to_string(&whole) {
        // A file that is not text, such as a picture, names no variable.
        texts.insert(place.to_owned(), text);
    }
}

/// Returns the string literals without a space in a Rust source.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|part| !part.is_empty())
}

fn is_upper(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
