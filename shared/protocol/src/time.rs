//! Points in time that cross processes, as milliseconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Milliseconds since the Unix epoch. Clocks of API and workers must agree to well under a
/// second (NTP), since deadlines cross between them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
#[schema(examples(1795451315932u64))]
pub struct EpochMillis(u64);

impl EpochMillis {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(millis(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        ))
    }

    /// The bare number, for JSON and labels.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The time that many milliseconds after the epoch.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From `earlier` to this, zero if `earlier` is later.
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

/// A job's absolute deadline: the caller is gone after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deadline(EpochMillis);

impl Deadline {
    /// The deadline `span` from now.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Self(EpochMillis::now() + span)
    }

    /// What is left, zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.since(EpochMillis::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The point in time itself.
    #[must_use]
    pub fn at(self) -> EpochMillis {
        self.0
    }
}

/// A duration in whole milliseconds, saturating.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds to the microsecond, which is finer than any clock here is honest
/// about. For JSON.
#[must_use]
pub fn fractional_millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
