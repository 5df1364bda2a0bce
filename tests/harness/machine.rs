//! The machine's share of the tests: those that judge time want it for themselves.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

/// For tests that start containers but judge no time.
pub async fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// For tests that hold answers to the contract's times, count what is left behind, or load the
/// machine so much that others could not.
pub async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}
