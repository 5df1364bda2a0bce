//! Bounds how many containers there are at a time, however many tests run.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Each may use half of a core, and this machine may have two.
const PLACES: usize = 4;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A container's place; the next one's when it is dropped.
pub(crate) struct Place(());

impl Place {
    /// Waits for one.
    pub(crate) fn take() -> Self {
        let full = |taken: &mut usize| *taken >= PLACES;
        let mut taken = FREED
            .wait_while(lock(), full)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *lock() -= 1;
        FREED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
