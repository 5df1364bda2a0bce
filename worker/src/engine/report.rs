//! What an engine says of itself.

use std::collections::BTreeMap;

use warren_languages::LanguageName;

/// An engine that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// What it is, in a few words.
    pub what: String,
    /// The languages whose images are missing, each with why and what to do.
    pub faults: BTreeMap<LanguageName, String>,
}
