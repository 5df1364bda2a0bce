//! Retention settings: what is kept, and for how long.

use std::time::Duration;

use warren_protocol::limits::ByteSize;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many days executions are kept by default.
pub const DEFAULT_RETENTION_DAYS: u16 = 30;
/// The most days that can be configured.
pub const MAX_RETENTION_DAYS: u16 = 3650;

/// How long executions are kept after they were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(Duration);

impl Retention {
    /// Returns a retention of that many days, at least one and at most [`MAX_RETENTION_DAYS`].
    #[must_use]
    pub fn days(days: u16) -> Self {
        Self(DAY * u32::from(days.clamp(1, MAX_RETENTION_DAYS)))
    }

    /// Returns a retention of that many seconds, at least one: for tests, which cannot wait for a
    /// day.
    #[must_use]
    pub fn seconds(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds.max(1).into()))
    }

    /// Returns it as a duration.
    #[must_use]
    pub fn span(self) -> Duration {
        self.0
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::days(DEFAULT_RETENTION_DAYS)
    }
}

/// The default of how many bytes of text are recorded a day.
pub const DEFAULT_TEXTS_A_DAY: ByteSize = ByteSize::mib(10 * 1024);

/// How much of each execution is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// How much of its code.
    pub code: CodeKeeping,
    /// The most bytes of text that one API records a day. A caller's executions beyond its share of
    /// that are recorded without texts.
    pub texts_a_day: ByteSize,
}

impl From<CodeKeeping> for Keeping {
    fn from(code: CodeKeeping) -> Self {
        Self {
            code,
            texts_a_day: DEFAULT_TEXTS_A_DAY,
        }
    }
}

/// Whether the code is kept with an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeKeeping {
    /// Its hash alone.
    #[default]
    HashOnly,
    /// The code as well.
    Whole,
}
