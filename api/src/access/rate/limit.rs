//! Limit: a number of requests per minute, and a burst.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

const MINUTE: Duration = Duration::from_secs(60);

/// A rate limit: requests per minute, evenly spread, and requests at once (the burst).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

impl Limit {
    /// The highest value of either.
    pub const MAX: u32 = 1_000_000;

    /// Creates a limit. Without a `burst`, a minute's requests may come at once.
    ///
    /// # Errors
    /// One of them is above [`Limit::MAX`].
    pub fn new(per_minute: NonZeroU32, burst: Option<NonZeroU32>) -> Result<Self, LimitTooHigh> {
        let burst = burst.unwrap_or(per_minute);
        if per_minute.get() > Self::MAX || burst.get() > Self::MAX {
            return Err(LimitTooHigh);
        }
        Ok(Self { per_minute, burst })
    }

    /// Returns the limit times `factor`, at most [`Limit::MAX`].
    pub(super) fn times(self, factor: NonZeroU32) -> Self {
        let max = NonZeroU32::new(Self::MAX).unwrap_or(NonZeroU32::MIN);
        let times = |number: NonZeroU32| number.saturating_mul(factor).min(max);
        Self {
            per_minute: times(self.per_minute),
            burst: times(self.burst),
        }
    }

    /// Returns how many requests may come at once.
    pub(super) fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// Returns how long it takes until one more request is allowed.
    pub(super) fn interval(self) -> Duration {
        MINUTE / self.per_minute.get()
    }

    pub(super) fn quota(self) -> Quota {
        Quota::per_minute(self.per_minute).allow_burst(self.burst)
    }
}

/// A limit that is too high.
#[derive(Debug, thiserror::Error)]
#[error("requests a minute, and at once, are at most {}", Limit::MAX)]
pub struct LimitTooHigh;
