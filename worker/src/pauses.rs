//! Pauses between attempts that fail.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// From `first`, doubling up to `last`, for ever; up to as much again is added by chance, so that
/// what failed together is not tried again together.
pub(crate) fn pauses(first: Duration, last: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(last)
        .without_max_times()
        .with_jitter()
        .build()
}
