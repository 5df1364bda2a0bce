//! A mutex that a panic of its holder leaves usable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex without poisoning. The values that it guards here are never left half changed, so a
/// panic of one request is no reason to fail all others.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// Creates a lock that guards `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits until no other thread holds the lock, and takes it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
