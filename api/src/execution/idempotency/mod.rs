//! `Idempotency-Key`: a request that is sent again, for whatever reason and to whichever API, is
//! run once and answered alike. The key stands for a job, by a claim in the store; whoever comes
//! second waits for that job's record.

mod first_or_replay;
mod key;
mod replay;

pub(crate) use first_or_replay::{FirstOrReplay, HeldKey, Idempotency};
pub(crate) use key::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, Keyed};
pub(crate) use replay::replayed;
