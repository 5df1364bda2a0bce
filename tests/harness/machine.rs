//! Permits for the tests that load the machine, however many run at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many tests that run jobs share the machine.
const SHARERS: u32 = 2;

static MACHINE: Semaphore = Semaphore::const_new(SHARERS as usize);

/// Waits for a permit of tests that run a few jobs.
pub async fn shared() -> SemaphorePermit<'static> {
    MACHINE.acquire().await.expect("it is never closed")
}

/// Waits for a permit of tests that measure answers against the contract's times, count leftovers,
/// or load the machine so much that others could not run.
pub async fn alone() -> SemaphorePermit<'static> {
    let all = MACHINE.acquire_many(SHARERS).await;
    all.expect("it is never closed")
}
