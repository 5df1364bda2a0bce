//! Listing of a room's history: its filters and its pages.

use warren_languages::LanguageName;
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::time::EpochMillis;
use warren_protocol::time::millis;

use super::{CodeHash, Cursor, ExecutionStatus, OVERDUE};

/// A query for a page of a room's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The room.
    pub room: RoomId,
    /// The only language to list.
    pub language: Option<LanguageName>,
    /// The only status to list.
    pub status: Option<ExecutionStatus>,
    /// The position after which the page begins.
    pub after: Option<Cursor>,
    /// The most executions on the page.
    pub limit: PageSize,
}

impl Listing {
    /// Lists the newest executions of a room.
    #[must_use]
    pub fn of(room: RoomId) -> Self {
        Self {
            room,
            language: None,
            status: None,
            after: None,
            limit: PageSize::default(),
        }
    }

    /// Returns the time before which a pending execution must have been due to count as lost.
    pub(super) fn lost_before() -> EpochMillis {
        let now = EpochMillis::now().get();
        EpochMillis::from_millis(now.saturating_sub(millis(OVERDUE)))
    }
}

/// The most executions on a page: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u8);

impl PageSize {
    /// The largest page.
    pub const MAX: u8 = 100;

    /// Returns a size of that many, if they fit on a page.
    #[must_use]
    pub fn new(items: u8) -> Option<Self> {
        (1..=Self::MAX).contains(&items).then_some(Self(items))
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.into()
    }

    /// Returns one more, which shows whether there is a next page.
    pub(super) fn and_one(self) -> u8 {
        self.0 + 1
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// A summary of one execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The job.
    pub job_id: JobId,
    /// The status.
    pub status: ExecutionStatus,
    /// The language it was to run as.
    pub language: LanguageName,
    /// When it was submitted.
    pub submitted_at: EpochMillis,
    /// When this was recorded.
    pub recorded_at: EpochMillis,
    /// How long it ran, in milliseconds, if it did.
    pub duration_ms: Option<f64>,
    /// The hash of its code.
    pub code: CodeHash,
}

/// A summary as a database holds it.
pub(super) struct SummaryParts {
    pub(super) job_id: String,
    pub(super) status: String,
    pub(super) language: String,
    pub(super) submitted_at: EpochMillis,
    pub(super) due_at: Option<EpochMillis>,
    pub(super) recorded_at: EpochMillis,
    pub(super) duration_ms: Option<f64>,
    pub(super) code: String,
}

impl TryFrom<SummaryParts> for Summary {
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn try_from(parts: SummaryParts) -> Result<Self, Self::Error> {
        let status = match parts.status.parse()? {
            ExecutionStatus::Pending | ExecutionStatus::Lost => ExecutionStatus::without_result(
                parts.due_at.unwrap_or(parts.recorded_at),
                EpochMillis::now(),
            ),
            settled => settled,
        };
        Ok(Self {
            job_id: parts.job_id.parse()?,
            status,
            language: parts.language.parse()?,
            submitted_at: parts.submitted_at,
            recorded_at: parts.recorded_at,
            duration_ms: parts.duration_ms,
            code: CodeHash::try_from(parts.code)?,
        })
    }
}

/// A part of a room's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The executions, newest first.
    pub items: Vec<Summary>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Page {
    /// Makes a page of up to one more than `limit` rows.
    pub(super) fn of(
        parts: Vec<SummaryParts>,
        limit: PageSize,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let is_last = parts.len() <= limit.get();
        let rows = parts.into_iter().take(limit.get());
        let items = rows.map(Summary::try_from).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_last| !is_last).map(|last| Cursor {
            submitted_at: last.submitted_at,
            job_id: last.job_id,
        });
        Ok(Self { items, next })
    }
}
