//! Idempotency: a request that is sent again with the same `Idempotency-Key` runs once.
//!
//! The key is claimed for a job in the store, whichever API receives the request. Any later request
//! waits for that job's record and is answered alike.

mod first_or_replay;
mod key;
mod replay;

pub(crate) use first_or_replay::{FirstOrReplay, HeldKey, Idempotency};
pub(crate) use key::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, Keyed};
pub(crate) use replay::replayed;
