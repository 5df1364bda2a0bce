//! What one run may use, and the sizes of what a caller may send.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// That many bytes.
    #[must_use]
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// That many KiB (1,024 bytes).
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// That many MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// The bare number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory.
    #[must_use]
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The most source code a submission may have: 10 KB, as the contract has it.
pub const MAX_CODE: ByteSize = ByteSize::kib(10);
/// The most standard input of one run.
pub const MAX_INPUT: ByteSize = ByteSize::kib(256);
/// The most expected output of one test case. A run's captured output is never longer, so a
/// larger one could not be matched.
pub const MAX_EXPECTED_OUTPUT: ByteSize = ByteSize::kib(64);
/// The most test cases of one submission.
pub const MAX_TEST_CASES: usize = 50;
/// The most a whole request body may hold, in JSON.
pub const MAX_BODY: ByteSize = ByteSize::mib(1);
/// The same of a batch: many submissions as they usually are, fewer large ones.
pub const MAX_BATCH_BODY: ByteSize = ByteSize::mib(4);

/// What one run of a user's program may use. The values are the contract's (DESIGN.md, "Limits
/// of every run"); they travel with the job so that every worker enforces the same.
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
    /// What is kept of each of stdout and stderr; the rest is read and dropped.
    pub output_kept: ByteSize,
    /// Where a stream ends the run: this many bytes are a flood.
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
