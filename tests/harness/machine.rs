//! Turns of the tests that load the machine, however many run at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many tests that run jobs share the machine.
const SHARERS: u32 = 2;

static MACHINE: Semaphore = Semaphore::const_new(SHARERS as usize);

/// For tests that run a few jobs.
pub async fn shared() -> SemaphorePermit<'static> {
    MACHINE.acquire().await.expect("it is never closed")
}

/// For tests that hold answers to the contract's times, count what is left behind, or load the
/// machine so much that others could not.
pub async fn alone() -> SemaphorePermit<'static> {
    let all = MACHINE.acquire_many(SHARERS).await;
    all.expect("it is never closed")
}
