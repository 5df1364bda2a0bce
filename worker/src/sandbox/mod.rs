//! Containers for jobs: kept ready in a pool, and spoken to in frames.

mod conversation;
mod pool;

pub(crate) use conversation::{Next, Reported, died};
pub use pool::PoolConfig;
pub(crate) use pool::{Lease, Pool, Source, command};
