//! Limit: a number of requests per minute, and a burst.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

const MINUTE: Duration = Duration::from_secs(60);

/// How many requests in what time: so many a minute, evenly, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

impl Limit {
    /// The highest of either.
    pub const MAX: u32 = 1_000_000;

    /// So many a minute, and so many at once: a minute's worth if nothing is said.
    ///
    /// # Errors
    /// One is above [`Limit::MAX`].
    pub fn new(per_minute: NonZeroU32, burst: Option<NonZeroU32>) -> Result<Self, LimitTooHigh> {
        let burst = burst.unwrap_or(per_minute);
        if per_minute.get() > Self::MAX || burst.get() > Self::MAX {
            return Err(LimitTooHigh);
        }
        Ok(Self { per_minute, burst })
    }

    /// The same, times `factor`, as far as that goes.
    pub(super) fn times(self, factor: NonZeroU32) -> Self {
        let max = NonZeroU32::new(Self::MAX).unwrap_or(NonZeroU32::MIN);
        let times = |number: NonZeroU32| number.saturating_mul(factor).min(max);
        Self {
            per_minute: times(self.per_minute),
            burst: times(self.burst),
        }
    }

    /// How many at once.
    pub(super) fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// How long until one more is allowed.
    pub(super) fn interval(self) -> Duration {
        MINUTE / self.per_minute.get()
    }

    pub(super) fn quota(self) -> Quota {
        Quota::per_minute(self.per_minute).allow_burst(self.burst)
    }
}

/// A limit that is none.
#[derive(Debug, thiserror::Error)]
#[error("requests a minute, and at once, are at most {}", Limit::MAX)]
pub struct LimitTooHigh;
