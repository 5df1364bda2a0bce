//! Findings about the host: what weakens every sandbox on it, and what to do.

mod finding;
mod findings;
mod names;
mod version;

#[cfg(test)]
mod tests;

use findings::{Seen, findings};

pub use finding::{Finding, Severity};
pub use names::{NAMES, names_of};

use crate::engine::EngineHost;
use crate::posture::Posture;

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
