//! Claims on idempotency keys: each ties a caller's name for a request to its job.
//!
//! With them, a request that is sent twice runs once.

use sha2::{Digest, Sha256};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

/// The key of a claim, as a hash: names that callers choose are not stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// Returns the key made of these parts, each of which counts.
    #[must_use]
    pub fn of<const N: usize>(parts: [&str; N]) -> Self {
        Self(digest(&parts.map(str::as_bytes)))
    }

    /// Returns the hash as text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hash of what a request asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the fingerprint of a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(digest(&[body]))
    }

    pub(super) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// Returns the hash as text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hashes each part with its length before it, so that no two lists of parts are the same text.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digits = hash.finalize();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A record that a key stands for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub key: ClaimKey,
    /// The fingerprint of the request that claimed it.
    pub fingerprint: Fingerprint,
    /// The job.
    pub job: JobId,
    /// When the job was to be done. If it has no record well after this, its API died first.
    pub due_at: EpochMillis,
    /// When the claim expires and the key is free again.
    pub lapses_at: EpochMillis,
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The claimant has the key.
    Won,
    /// Another claim has the key.
    By(Box<Claim>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_key_counts_and_so_does_where_it_ends() {
        let keys = [
            ["a", "b", "c"],
            ["ab", "", "c"],
            ["a", "bc", ""],
            ["", "", "abc"],
        ];
        let keys: std::collections::HashSet<_> = keys.map(ClaimKey::of).into_iter().collect();
        assert_eq!(keys.len(), 4);
        assert_ne!(ClaimKey::of(["a", ""]), ClaimKey::of(["a"]));
    }
}
