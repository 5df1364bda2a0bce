//! How a worker's grace period is spent.

use std::time::Duration;

/// What is kept of the grace period, to hand jobs back and have containers removed.
const LAST: Duration = Duration::from_millis(1_500);

/// How long running jobs may take, of the whole grace period.
pub(crate) fn for_jobs(grace: Duration) -> Duration {
    grace.saturating_sub(LAST).max(grace / 2)
}
