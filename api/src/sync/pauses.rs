//! Pauses between attempts that fail.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Returns an endless series of pauses: `first`, doubled each time up to `last`.
pub(crate) fn pauses(first: Duration, last: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(last)
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_last_and_never_end() {
        let pauses: Vec<_> = pauses(Duration::from_millis(100), Duration::from_secs(2))
            .map(|pause| pause.as_millis())
            .take(1_000)
            .collect();
        assert_eq!(pauses[..7], [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(pauses.last(), Some(&2_000));
        assert_eq!(pauses.len(), 1_000);
    }
}
