//! Small tools for shared state: a lock, permits, allotments, and pauses between attempts.

mod allotments;
mod lock;
mod pauses;
mod permits;
mod timed_counts;

pub(crate) use allotments::{AllottedPermit, AllottedPermits, Counts};
pub(crate) use lock::Lock;
pub(crate) use pauses::pauses;
pub(crate) use permits::{KeyedPermits, Permit};
pub(crate) use timed_counts::{Hold, HoldsAll, TimedCounts};
