//! Type names: one name, one type, within each crate.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{self, File};
use super::rust::items::types;
use super::rust::modules::Modules;

/// Names that each module may define for itself, since the module's own name says which one is
/// meant.
const MANY: [&str; 6] = ["Config", "Error", "Kind", "Result", "Session", "State"];

/// Returns the names that two modules of the crate in `folder` define, each with the files.
fn homonyms(folder: &str, files: &[File]) -> Vec<String> {
    let mut defined: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for module in Modules::of(folder, files).0.into_values().flatten() {
        for name in types(&module.tokens) {
            let files = defined.entry(name).or_default();
            files.insert(module.file.clone());
        }
    }
    defined
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !MANY.contains(&name.as_str()))
        .map(|(name, files)| format!("{folder}: {name} in {files:?}"))
        .collect()
}

#[test]
fn no_crate_has_two_types_of_one_name() {
    let files = files::rust();
    let found: Vec<_> = files::crate_folders()
        .iter()
        .flat_map(|folder| homonyms(folder, &files))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_name_that_is_defined_twice_is_found() {
    let files = [
        File::new(
            "x/src/a.rs",
            "pub struct Place; pub enum Error {} impl A for B { type Held = (); }",
        ),
        File::new(
            "x/src/b.rs",
            "pub trait Place {} pub enum Error {} pub type Held = (); struct Tally;",
        ),
        File::new("x/src/tests/c.rs", "struct Tally;"),
        File::new("y/src/d.rs", "struct Tally;"),
    ];
    assert_eq!(homonyms("x", &files), [r#"x: Place in {"a.rs", "b.rs"}"#]);
}
