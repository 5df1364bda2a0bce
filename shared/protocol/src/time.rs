//! Points in time that cross processes, as milliseconds since the Unix epoch.
//!
//! # The four times of a job
//!
//! | time | set by | counts | ends |
//! |---|---|---|---|
//! | `warren_http::Budget` | the HTTP server, when a request begins | the whole request on one server: reading the body, queueing, running, answering | the request, with an answer or an error |
//! | [`Job::deadline`] | the same server, from what is left of that budget, less reserves for reply and answer; for an unattended job, the longest wait that the operator permits | until the caller stops waiting; for an unattended job, until a worker must have begun it | a waiting job, which is then not begun; a running one |
//! | [`Job::budget`] | the API, for unattended jobs alone | all runs of the job together, from the moment a worker begins it | the runs that are left, as [`Status::NotRun`] |
//! | `warren_runner::wire::Execute::budget` | the worker, when it sends the job to PID 1 | the time left at that moment | the same runs, measured inside the container |
//!
//! The first is a clock of one process. The second crosses processes and is therefore a point in
//! time. The third is a duration, because an unattended job may wait long before it begins;
//! [`Job::begun`] turns it into a deadline at that moment. The fourth is a duration again, because
//! the runner measures by a clock of its own and the user's program could disturb no other.
//!
//! Each single run has its own, shorter limit besides: [`Limits::time`].
//!
//! [`Job::deadline`]: crate::job::Job::deadline
//! [`Job::budget`]: crate::job::Job::budget
//! [`Job::begun`]: crate::job::Job::begun
//! [`Limits::time`]: crate::limits::Limits::time
//! [`Status::NotRun`]: crate::outcome::Status::NotRun

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Milliseconds since the Unix epoch. The clocks of API and workers must agree to well under a
/// second (NTP), because deadlines cross between them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
#[schema(examples(1795451315932u64))]
pub struct EpochMillis(u64);

impl EpochMillis {
    /// Returns the present time.
    #[must_use]
    pub fn now() -> Self {
        Self(millis(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        ))
    }

    /// Returns the number, for JSON and labels.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// Creates the time `millis` milliseconds after the epoch.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the time from `earlier` to this, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for EpochMillis {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

/// The absolute deadline of a job, after which its caller has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deadline(EpochMillis);

impl Deadline {
    /// Creates the deadline `span` from now.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Self(EpochMillis::now() + span)
    }

    /// Returns the time left, zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.since(EpochMillis::now())
    }

    /// Returns true if it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the point in time itself.
    #[must_use]
    pub fn at(self) -> EpochMillis {
        self.0
    }
}

/// Converts a duration to whole milliseconds, saturating.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Converts a duration to milliseconds for JSON, to the microsecond, which is finer than any clock
/// here really is.
#[must_use]
pub fn fractional_millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
