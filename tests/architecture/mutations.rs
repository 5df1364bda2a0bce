//! Holds the list of mutations to the sources and the tests that it names.

use std::collections::BTreeSet;

use super::files::{root, rust};

#[path = "../mutations/list.rs"]
mod list;

#[test]
fn every_mutation_finds_its_hardening() {
    let mutations = list::mutations(&root()).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(mutations.len() > 280, "{} mutations", mutations.len());
    for one in mutations {
        let file = std::fs::read_to_string(root().join(&one.file)).expect("it was read before");
        assert_ne!(file, one.text, "{} changes nothing", one.name);
        assert!(!one.tests.is_empty(), "{} has no test", one.name);
        assert!(one.name.starts_with(&one.wall), "{}", one.name);
    }
}

/// Returns the words of a command that stand for tests: parts of their paths.
fn filters(command: &str) -> Vec<&str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_value = |at: usize| at > 0 && ["-p", "--bin", "--test"].contains(&words[at - 1]);
    let is_filter = |at: &usize| {
        let word = words[*at];
        !is_value(*at) && !word.starts_with('-') && !word.contains('=') && word != "with"
    };
    let filters = (0..words.len()).filter(is_filter).map(|at| words[at]);
    filters.filter(|word| *word != "warren:").collect()
}

#[test]
fn every_test_that_a_mutation_names_is_there() {
    let sources: String = rust().into_iter().map(|file| file.text).collect();
    let mutations = list::mutations(&root()).unwrap_or_else(|faults| panic!("{faults}"));
    let commands: BTreeSet<String> = mutations.into_iter().flat_map(|one| one.tests).collect();
    for command in &commands {
        for part in filters(command).iter().flat_map(|word| word.split("::")) {
            let is_there = part.is_empty()
                || ["fn ", "mod "]
                    .iter()
                    .any(|kind| sources.contains(&format!("{kind}{part}")));
            assert!(is_there, "{command}: nothing is named {part}");
        }
    }
    let example = "X=y -p a --bin a --test b -- c::d_ with";
    assert_eq!(filters(example), ["c::d_"]);
}
