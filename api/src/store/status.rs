//! Status of a recorded execution: the word that callers read and filter by.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use warren_protocol::outcome::Status;
use warren_protocol::time::EpochMillis;

/// How long after its due time a job without a result counts as lost. By then it has expired with
/// its deadline, or it was begun in time and is long done.
pub const OVERDUE: Duration = Duration::from_secs(60);
/// The status of an execution without an end.
pub(super) const PENDING: &str = "pending";

/// A status of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// It ran, with this verdict.
    Ran(Status),
    /// It could not be run.
    Failed,
    /// There is no result yet.
    Pending,
    /// No result came, and none will.
    Lost,
}

impl ExecutionStatus {
    /// Returns every status.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let verdicts = Status::ALL.into_iter().map(Self::Ran);
        verdicts.chain([Self::Failed, Self::Pending, Self::Lost])
    }

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran(status) => status.as_str(),
            Self::Lost => "lost",
            recorded => recorded.recorded_as(),
        }
    }

    /// Returns the `status` in the store. A lost execution is recorded as pending, and
    /// distinguished by its due time.
    pub(super) fn recorded_as(self) -> &'static str {
        match self {
            Self::Ran(status) => status.as_str(),
            Self::Failed => "failed",
            Self::Pending | Self::Lost => PENDING,
        }
    }

    /// Returns the status of a job without a result that was due at `due_at`.
    pub(super) fn without_result(due_at: EpochMillis, now: EpochMillis) -> Self {
        if due_at + OVERDUE < now {
            Self::Lost
        } else {
            Self::Pending
        }
    }
}

impl FromStr for ExecutionStatus {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::all();
        all.find(|s| s.as_str() == text).ok_or(InvalidStatus)
    }
}

/// A word that is not a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", words().join(", "))]
pub struct InvalidStatus;

fn words() -> Vec<&'static str> {
    ExecutionStatus::all()
        .map(ExecutionStatus::as_str)
        .collect()
}

impl PartialSchema for ExecutionStatus {
    fn schema() -> RefOr<Schema> {
        let words = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What can be asked for as a status."))
            .enum_values(Some(words()));
        words.into()
    }
}

impl ToSchema for ExecutionStatus {
    /// The schema's name in the published description, which generated clients may use.
    fn name() -> Cow<'static, str> {
        "StandingName".into()
    }
}
