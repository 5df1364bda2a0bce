//! The facts of a posture, by name.

use std::collections::BTreeMap;

/// The facts about one sandbox, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posture(BTreeMap<String, String>);

impl Posture {
    /// Makes a posture of facts.
    pub(crate) fn of(facts: BTreeMap<String, String>) -> Self {
        Self(facts)
    }

    /// Returns a fact; an empty text if it was not read.
    pub(crate) fn fact(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns all facts, by name.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}
