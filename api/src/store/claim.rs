//! Claims on idempotency keys: a caller's own name for a request, and its job.
//!
//! They make a request that is sent twice run once.

use sha2::{Digest, Sha256};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

/// Whose claim it is, as a hash: what callers choose as names is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// The key made of these parts, each of which counts.
    #[must_use]
    pub fn of<const N: usize>(parts: [&str; N]) -> Self {
        Self(digest(&parts.map(str::as_bytes)))
    }

    /// As text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request asked for, as a hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// That of a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(digest(&[body]))
    }

    pub(super) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// As text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Each part with its length before it, so that no two lists of parts are one text.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digits = hash.finalize();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That a key stands for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub key: ClaimKey,
    /// What was asked for under it.
    pub fingerprint: Fingerprint,
    /// The job.
    pub job: JobId,
    /// When the job was to be done: well after this, and without a record, its API died first.
    pub due_at: EpochMillis,
    /// When the key is free again.
    pub lapses_at: EpochMillis,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The key is the claimant's.
    Won,
    /// It is another's.
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
