//! Small tools for shared state: a lock, permits by key, and pauses between attempts.

mod lock;
mod pauses;
mod permits;

pub(crate) use lock::Lock;
pub(crate) use pauses::pauses;
pub(crate) use permits::{KeyedPermits, Permit};
