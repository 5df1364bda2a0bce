//! The list of mutations: each takes one hardening out of a source file.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;

/// A part of the wall: some hardenings and the tests that must notice the loss of each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wall {
    /// Its name, a noun phrase.
    pub name: String,
    /// The commands of which one must fail, the cheapest first; `tree.rs` has their form.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Hardenings that are lists of lines, each of which is taken out.
    #[serde(default)]
    pub lines: Vec<Lines>,
    /// Hardenings that are what a list lacks, each of which is put in.
    #[serde(default)]
    pub additions: Vec<Additions>,
    /// Hardenings that are replaced by something weaker.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// The lines of a file's section that match a pattern: each is one hardening.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// The file, from the repository's root.
    pub file: String,
    /// The section's first line starts with this text.
    pub from: String,
    /// The section ends before the next line that starts with this text.
    pub to: String,
    /// The pattern of a line that is taken out.
    pub pattern: String,
    /// Matched lines that stay, each with the reason.
    #[serde(default)]
    pub except: Vec<Except>,
    /// The commands, where they are not the wall's.
    #[serde(default)]
    pub tests: Vec<String>,
}

/// A line that is no hardening of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Except {
    /// A text that only this line holds.
    pub line: String,
    /// The reason why nothing can notice its loss.
    pub because: String,
}

/// Texts that a list must not hold: each is put in, alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Additions {
    /// The file, from the repository's root.
    pub file: String,
    /// The text after which each is put; the file holds it once.
    pub after: String,
    /// The text that is put there; `{}` stands for the entry.
    pub form: String,
    /// The entries.
    pub each: Vec<String>,
    /// The commands, where they are not the wall's.
    #[serde(default)]
    pub tests: Vec<String>,
}

/// A text that is replaced by a weaker one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file, from the repository's root.
    pub file: String,
    /// The text; the file holds it once.
    pub find: String,
    /// The weaker text. Empty: the hardening is gone.
    #[serde(default)]
    pub replace: String,
    /// The commands, where they are not the wall's.
    #[serde(default)]
    pub tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    wall: Vec<Wall>,
}

/// One mutation: a file's text without one hardening.
#[derive(Debug)]
pub struct Mutation {
    /// The wall's name, and the hardening as a person finds it in the file.
    pub name: String,
    /// The wall's name.
    pub wall: String,
    /// The file, from the repository's root.
    pub file: String,
    /// The file's whole text after the mutation.
    pub text: String,
    /// The commands, of which one must fail.
    pub tests: Vec<String>,
}

/// Reads the list and applies it to the tree at `root`.
///
/// # Errors
/// Every entry that does not fit the tree, one a line.
pub fn mutations(root: &Path) -> Result<Vec<Mutation>, String> {
    let list = read(root, "tests/mutations/list.toml")?;
    let document: Document = toml::from_str(&list).map_err(|error| error.to_string())?;
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for wall in &document.wall {
        for lines in &wall.lines {
            match taken_out(root, wall, lines) {
                Ok(mutations) => found.extend(mutations),
                Err(fault) => faults.push(fault),
            }
        }
        for additions in &wall.additions {
            match put_in(root, wall, additions) {
                Ok(mutations) => found.extend(mutations),
                Err(fault) => faults.push(fault),
            }
        }
        for change in &wall.changes {
            match replaced(root, wall, change) {
                Ok(mutation) => found.push(mutation),
                Err(fault) => faults.push(fault),
            }
        }
    }
    let names: BTreeSet<&str> = found
        .iter()
        .map(|mutation| mutation.name.as_str())
        .collect();
    if names.len() != found.len() {
        faults.push("two mutations have one name".to_owned());
    }
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults.join("\n"))
    }
}

fn read(root: &Path, file: &str) -> Result<String, String> {
    std::fs::read_to_string(root.join(file)).map_err(|error| format!("cannot read {file}: {error}"))
}

/// Makes a mutation of each matching line of the section.
fn taken_out(root: &Path, wall: &Wall, lines: &Lines) -> Result<Vec<Mutation>, String> {
    let text = read(root, &lines.file)?;
    let pattern = Regex::new(&lines.pattern).map_err(|error| error.to_string())?;
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let begin = all.iter().position(|line| line.starts_with(&lines.from));
    let begin =
        begin.ok_or_else(|| format!("{}: no line starts with {:?}", lines.file, lines.from))?;
    let length = all[begin + 1..]
        .iter()
        .position(|line| line.starts_with(&lines.to));
    let length =
        length.ok_or_else(|| format!("{}: no line starts with {:?}", lines.file, lines.to))?;
    for except in &lines.except {
        let section = &all[begin..=begin + length];
        let count = section
            .iter()
            .filter(|line| line.contains(&except.line))
            .count();
        if count != 1 || except.because.is_empty() {
            return Err(format!(
                "{}: {count} lines hold {:?}, or no reason is given",
                lines.file, except.line
            ));
        }
    }
    let is_one = |line: &str| {
        pattern.is_match(line.trim_end())
            && !lines
                .except
                .iter()
                .any(|except| line.contains(&except.line))
    };
    let numbers = (begin..=begin + length).filter(|number| is_one(all[*number]));
    let found: Vec<Mutation> = numbers
        .map(|number| Mutation {
            name: format!(
                "{}: {} (line {})",
                wall.name,
                all[number].trim(),
                number + 1
            ),
            wall: wall.name.clone(),
            file: lines.file.clone(),
            text: [&all[..number], &all[number + 1..]].concat().concat(),
            tests: tests_of(wall, &lines.tests),
        })
        .collect();
    if found.is_empty() {
        return Err(format!("{}: no line matches {}", lines.file, lines.pattern));
    }
    Ok(found)
}

/// Returns the commands of an entry: its own, or the wall's.
fn tests_of(wall: &Wall, own: &[String]) -> Vec<String> {
    if own.is_empty() { &wall.tests } else { own }.to_vec()
}

/// Reads a file that holds the text once.
fn read_with(root: &Path, file: &str, find: &str) -> Result<String, String> {
    let text = read(root, file)?;
    match text.matches(find).count() {
        1 => Ok(text),
        count => Err(format!("{file}: holds {find:?} {count} times")),
    }
}

/// Makes a mutation of each entry that is put in.
fn put_in(root: &Path, wall: &Wall, additions: &Additions) -> Result<Vec<Mutation>, String> {
    let text = read_with(root, &additions.file, &additions.after)?;
    let mutations = additions.each.iter().map(|entry| {
        let added = additions.form.replace("{}", entry);
        let instead = format!("{}{added}", additions.after);
        Mutation {
            name: format!(
                "{}: {} and also {entry}",
                wall.name,
                shown(&additions.after)
            ),
            wall: wall.name.clone(),
            file: additions.file.clone(),
            text: text.replacen(&additions.after, &instead, 1),
            tests: tests_of(wall, &additions.tests),
        }
    });
    Ok(mutations.collect())
}

fn replaced(root: &Path, wall: &Wall, change: &Change) -> Result<Mutation, String> {
    let text = read_with(root, &change.file, &change.find)?;
    let (found, instead) = (shown(&change.find), shown(&change.replace));
    Ok(Mutation {
        name: format!("{}: {found} -> {instead}", wall.name),
        wall: wall.name.clone(),
        file: change.file.clone(),
        text: text.replacen(&change.find, &change.replace, 1),
        tests: tests_of(wall, &change.tests),
    })
}

/// Returns a text as one line.
fn shown(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
