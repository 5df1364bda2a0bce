//! Limits of one run, and the largest sizes that a caller may send.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Creates a size of `n` bytes.
    #[must_use]
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// Creates a size of `n` KiB (1,024 bytes each).
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// Creates a size of `n` MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes as a length in memory.
    #[must_use]
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The most source code of one submission: 10 KB, which the contract fixes.
pub const MAX_CODE: ByteSize = ByteSize::kib(10);
/// The most standard input of one run.
pub const MAX_INPUT: ByteSize = ByteSize::kib(256);
/// The most expected output of one test case. A run's captured output is never longer, so no run
/// could match a larger one.
pub const MAX_EXPECTED_OUTPUT: ByteSize = ByteSize::kib(64);
/// The most test cases of one submission.
pub const MAX_TEST_CASES: usize = 50;
/// The most submissions of one batch.
pub const MAX_BATCH: usize = 100;
/// The largest request body, in JSON.
pub const MAX_BODY: ByteSize = ByteSize::mib(1);
/// The largest body of a batch: room for many submissions of the usual size, or for fewer large
/// ones.
pub const MAX_BATCH_BODY: ByteSize = ByteSize::mib(4);

/// The resources that one run of a user's program may use. The contract fixes the values
/// (DESIGN.md, "Limits of every run"). They travel with the job so that every worker enforces the
/// same ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, page cache and scratch files of the whole container; no swap on top.
    pub memory: ByteSize,
    /// Percent of one CPU.
    pub cpu_percent: u32,
    /// Processes and threads in the container, PID 1 included.
    pub pids: u32,
    /// Wall-clock time of one run, from the start of the user's process.
    pub time: Duration,
    /// The writable tmpfs.
    pub scratch: ByteSize,
    /// Open files of one process.
    pub open_files: u32,
    /// The bytes kept of each of stdout and stderr; the rest is read and dropped.
    pub output_kept: ByteSize,
    /// The size at which a stream counts as a flood and ends the run.
    pub output_flood: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(256),
            cpu_percent: 50,
            pids: 50,
            time: Duration::from_secs(3),
            scratch: ByteSize::mib(16),
            open_files: 256,
            output_kept: ByteSize::kib(64),
            output_flood: ByteSize::mib(1),
        }
    }
}
