//! The installation that a benchmark measures.

use std::collections::BTreeMap;

use warren_languages::{LanguageName, Languages};

/// The installation that is measured.
pub struct Setup {
    /// Its languages.
    pub languages: Languages,
    /// The base image of each language.
    pub images: BTreeMap<LanguageName, String>,
    /// The address of its broker; without one, the queue is in-process and no broker is measured.
    pub rabbitmq_url: Option<String>,
}
