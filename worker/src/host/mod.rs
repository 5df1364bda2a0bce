//! Findings about the host: what weakens every sandbox on it, and what to do.

mod findings;
mod version;

#[cfg(test)]
mod tests;

use serde::Serialize;

use findings::{Seen, findings};

pub use findings::NAMES;

use crate::engine::EngineHost;
use crate::posture::Posture;

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

/// Makes the findings from a sandbox's posture and what the engine says of its host.
pub(crate) fn examine(posture: &Posture, engine: &EngineHost, slots: u16) -> Vec<Finding> {
    findings(&Seen {
        posture,
        engine,
        jit_limit: jit_limit(posture.fact("host boot")),
        slots,
    })
}

/// Reads the limit of compiled filters, which only the host's own network namespace shows: if this
/// process is on the host of that boot.
fn jit_limit(boot: &str) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let own = read("/proc/sys/kernel/random/boot_id")?;
    if own.trim() != boot {
        return None;
    }
    read("/proc/sys/net/core/bpf_jit_limit")?
        .trim()
        .parse()
        .ok()
}
