//! Back-off: the pauses between attempts that fail.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Makes endless pauses, from `first` and doubling up to `last`. Up to as much again is added at
/// random, so that attempts that failed together are not repeated together.
pub(crate) fn pauses(first: Duration, last: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(last)
        .without_max_times()
        .with_jitter()
        .build()
}
