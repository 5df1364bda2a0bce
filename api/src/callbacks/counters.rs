//! Counters of callbacks since this process started, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one API.
#[derive(Default)]
pub(crate) struct CallbackCounters {
    pub(super) posted: Count,
    pub(super) failed: Count,
    pub(super) retried: Count,
    pub(super) put_off: Count,
    pub(super) given_up: Count,
    pub(super) refused: Count,
    pub(super) lost: Count,
}

#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallbackCounts {
    /// Callbacks that their receiver accepted.
    pub posted: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Callbacks that were queued for a retry.
    pub retried: u64,
    /// Callbacks that were postponed without an attempt: the store was unavailable, or too many
    /// posts to that receiver were under way.
    pub put_off: u64,
    /// Callbacks that were given up: after the last attempt, or because the receiver answered that
    /// it is gone.
    pub given_up: u64,
    /// Callbacks that were refused because of where their address leads.
    pub refused: u64,
    /// Callbacks that were never queued: the queue was unavailable for too long.
    pub lost: u64,
}

impl CallbackCounters {
    /// Returns the current counts.
    pub(crate) fn counts(&self) -> CallbackCounts {
        CallbackCounts {
            posted: self.posted.get(),
            failed: self.failed.get(),
            retried: self.retried.get(),
            put_off: self.put_off.get(),
            given_up: self.given_up.get(),
            refused: self.refused.get(),
            lost: self.lost.get(),
        }
    }
}
