//! How a recorded execution stands: the one word that callers read and filter by.

use std::str::FromStr;

use warren_protocol::outcome::Status;
use warren_protocol::time::EpochMillis;

use super::{End, OVERDUE};

/// How an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It ran, to this verdict.
    Ran(Status),
    /// It could not be run.
    Failed,
    /// There is no result yet.
    Pending,
    /// No result came, and none will.
    Lost,
}

impl Standing {
    const ALL: [Self; 10] = [
        Self::Ran(Status::Completed),
        Self::Ran(Status::RuntimeError),
        Self::Ran(Status::TimeLimitExceeded),
        Self::Ran(Status::MemoryLimitExceeded),
        Self::Ran(Status::OutputLimitExceeded),
        Self::Ran(Status::WrongAnswer),
        Self::Ran(Status::NotRun),
        Self::Failed,
        Self::Pending,
        Self::Lost,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran(status) => status.as_str(),
            Self::Lost => "lost",
            recorded => recorded.recorded_as(),
        }
    }

    /// What the store's `status` says: a lost one is recorded as pending, and is told apart by when
    /// it was due.
    pub(super) fn recorded_as(self) -> &'static str {
        match self {
            Self::Ran(status) => status.as_str(),
            Self::Failed => "failed",
            Self::Pending | Self::Lost => End::Pending.status(),
        }
    }

    /// How a job without a result stands that was due then.
    pub(super) fn without_result(due_at: EpochMillis, now: EpochMillis) -> Self {
        if due_at + OVERDUE < now {
            Self::Lost
        } else {
            Self::Pending
        }
    }
}

impl FromStr for Standing {
    type Err = InvalidStanding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|s| s.as_str() == text).ok_or(InvalidStanding)
    }
}

/// A word that is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", Standing::ALL.map(Standing::as_str).join(", "))]
pub struct InvalidStanding;
