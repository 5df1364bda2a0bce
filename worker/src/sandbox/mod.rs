//! Containers for jobs: keeps them ready in a pool, and exchanges frames with them.

mod conversation;
mod pool;

pub(crate) use conversation::{Awaited, Bound, Conversation, Next, Reported, died, until_dead};
pub use pool::PoolConfig;
pub(crate) use pool::{Lease, Pool, Source, command};
