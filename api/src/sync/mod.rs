//! Small tools for shared state: a lock, permits, allotments, and pauses between attempts.

mod allotments;
mod lock;
mod pauses;
mod permits;

pub(crate) use allotments::{AllottedPermit, AllottedPermits, Counts};
pub(crate) use lock::Lock;
pub(crate) use pauses::pauses;
pub(crate) use permits::{KeyedPermits, Permit};
