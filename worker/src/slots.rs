//! Execution slots: how many jobs this worker runs at a time, from the queue and over HTTP alike.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots. A job holds one from before its container is made until its reply is out.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    count: NonZeroU16,
}

/// One slot, freed when dropped.
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Slots {
    /// That many slots.
    #[must_use]
    pub fn new(count: NonZeroU16) -> Self {
        Self {
            free: Arc::new(Semaphore::new(usize::from(count.get()))),
            count,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> NonZeroU16 {
        self.count
    }

    /// How many are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// A slot, as soon as one is free.
    pub async fn take(&self) -> Option<Slot> {
        self.free.clone().acquire_owned().await.ok().map(Slot)
    }

    /// A slot, if one becomes free in time.
    pub async fn take_within(&self, within: Duration) -> Option<Slot> {
        tokio::time::timeout(within, self.take())
            .await
            .ok()
            .flatten()
    }
}
