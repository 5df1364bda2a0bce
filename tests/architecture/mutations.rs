//! Holds the list of mutations to the sources that it changes.

use super::files::root;

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
