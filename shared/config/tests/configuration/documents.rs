//! Writes `docs/CONFIGURATION.md` and `.env.example` from the list, or fails when they are stale.

use std::fmt::Write;
use std::fs;

use warren_config::{Reader, Unset, VARIABLES, Variable};

use crate::{path, read};

const DOCUMENT: &str = "docs/CONFIGURATION.md";
const EXAMPLE: &str = ".env.example";
/// The written part of the document is between these two lines.
const BEGIN: &str = "<!-- variables: begin -->";
const END: &str = "<!-- variables: end -->";
/// Set to 1, it makes the test write instead of compare.
const WRITE: &str = "WARREN_WRITE_DOCS";

#[test]
fn the_document_lists_every_variable() {
    let text = read(DOCUMENT);
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let tables = tables();
    hold(
        DOCUMENT,
        &format!("{before}{BEGIN}\n{tables}\n{END}{after}"),
    );
}

#[test]
fn the_example_lists_every_variable_that_the_file_can_set() {
    hold(EXAMPLE, &example());
}

/// Compares the file with what it should be, or writes it if `WARREN_WRITE_DOCS` is 1.
fn hold(file: &str, expected: &str) {
    if std::env::var(WRITE).is_ok_and(|value| value == "1") {
        fs::write(path(file), expected).unwrap();
    }
    let found = read(file);
    let differs = found
        .lines()
        .zip(expected.lines())
        .find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{file} is stale; `make docs-config` writes it. First difference: {differs:?}"
    );
}

/// Returns the list as Markdown.
fn tables() -> String {
    let mut text = String::new();
    for group in &VARIABLES {
        let _ = write!(
            text,
            "\n## {}\n\n| variable | read by | default | meaning |\n|---|---|---|---|\n",
            group.title
        );
        for variable in group.variables {
            let Variable { name, meaning, .. } = variable;
            let example = variable.example.map(|value| format!("; e.g. `{value}`"));
            let example = example.unwrap_or_default();
            let (reader, default) = (reader(variable), default(variable));
            let _ = writeln!(
                text,
                "| `{name}` | {reader} | {default} | {meaning}{example} |"
            );
        }
    }
    text
}

fn reader(variable: &Variable) -> &'static str {
    match variable.reader {
        Reader::Api => "API",
        Reader::Worker => "worker",
        Reader::Both => "API, worker",
        Reader::Client => "client",
        Reader::Compose => "docker-compose",
        Reader::Development => "make, tests",
    }
}

fn default(variable: &Variable) -> String {
    match variable.unset {
        Unset::Value(value) => format!("`{value}`"),
        Unset::Effect(effect) => effect.to_owned(),
        Unset::Required => "required".to_owned(),
    }
}

/// Returns the list as a file `.env`. What docker-compose requires is set, all else is a comment.
fn example() -> String {
    let mut text = "\
        # Warren's environment. `make .env` copies this file to .env and fills in the two empty values that\n\
        # docker-compose requires. A commented line shows an example or the default; remove its # to set it.\n\
        # Never commit .env. Written from the list in shared/config/src/variables by `make docs-config`.\n"
        .to_owned();
    for group in &VARIABLES {
        let of_file =
            |variable: &&Variable| !matches!(variable.reader, Reader::Client | Reader::Development);
        let variables: Vec<_> = group.variables.iter().filter(of_file).collect();
        if variables.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n# --- {} ---", group.title);
        for variable in variables {
            let set = if variable.unset == Unset::Required {
                ""
            } else {
                "#"
            };
            let (comment, assignment) = (variable.comment(), variable.assignment());
            let _ = writeln!(
                text,
                "{comment}
{set}{assignment}"
            );
        }
    }
    text
}
