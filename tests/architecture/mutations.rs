//! Holds the list of mutations to the sources that it changes.

use super::files::root;

#[path = "../mutations/list.rs"]
mod list;

#[test]
fn every_mutation_finds_its_hardening() {
    let mutations = list::mutations(&root()).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(mutations.len() > 100, "{} mutations", mutations.len());
}
