//! Permits that bound how many containers exist at a time, however many tests run.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The number of permits: each container may use half of a core, and this machine may have two.
const PERMITS: usize = 4;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A permit for one container; dropping it frees it for the next.
pub(crate) struct Permit(());

impl Permit {
    /// Waits for a permit.
    pub(crate) fn take() -> Self {
        let full = |taken: &mut usize| *taken >= PERMITS;
        let mut taken = FREED
            .wait_while(lock(), full)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Self(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *lock() -= 1;
        FREED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
