//! One finding about the host: its name, weight, words and remedy.

use serde::Serialize;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// It could be better. Nothing that Warren promises depends on it.
    Advice,
    /// A promise holds less well on this host. Jobs are run.
    Degraded,
}

/// A finding about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name, also the heading of its remedy in docs/OPERATIONS.md, *The host*.
    pub name: &'static str,
    /// Its weight.
    pub severity: Severity,
    /// What was found, as a sentence without a full stop.
    pub says: String,
    /// What to do, in the same form; nothing if all is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub remedy: &'static str,
}
