//! Callbacks in process: a bounded queue, and pauses on this process's clock. All of it ends with the
//! process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::callback::CALLBACK_RETURN;
use crate::{
    Callback, CallbackDelivery, MAX_QUEUED_CALLBACKS, Prefetch, QueueError, SettleCallback,
};

/// What the handles of one in-process queue have of callbacks.
pub(super) struct Callbacks {
    waiting: Mutex<VecDeque<Placed>>,
    waits: Notify,
    places: Arc<Semaphore>,
}

/// A callback with its place, which it keeps until it is done with.
struct Placed {
    callback: Callback,
    place: OwnedSemaphorePermit,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            waits: Notify::new(),
            places: Arc::new(Semaphore::new(MAX_QUEUED_CALLBACKS as usize)),
        }
    }
}

impl Callbacks {
    /// Queues one, if there is a place.
    pub(super) fn queue(&self, callback: Callback) -> Result<(), QueueError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| QueueError::Refused("the queue of callbacks"))?;
        self.put(Placed { callback, place });
        Ok(())
    }

    fn put(&self, placed: Placed) {
        self.lock().push_back(placed);
        self.waits.notify_one();
    }

    async fn take(&self) -> Placed {
        loop {
            let notified = self.waits.notified();
            if let Some(placed) = self.lock().pop_front() {
                return placed;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Placed>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Callbacks to post, at most `prefetch` of them unsettled.
pub(super) fn stream(
    callbacks: &Arc<Callbacks>,
    prefetch: Prefetch,
    stop: CancellationToken,
) -> mpsc::Receiver<CallbackDelivery> {
    let (sender, receiver) = mpsc::channel(1);
    let (callbacks, slots) = (
        Arc::clone(callbacks),
        Semaphore::new(prefetch.0.get().into()),
    );
    let slots = Arc::new(slots);
    tokio::spawn(async move {
        let passing = async {
            while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
                let taken = callbacks.take().await;
                let callback = taken.callback.clone();
                let held = Held {
                    callbacks: Arc::clone(&callbacks),
                    placed: Some(taken),
                    runtime: Handle::current(),
                    _slot: slot,
                };
                let delivery = CallbackDelivery::new(callback, Box::new(held));
                if sender.send(delivery).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = sender.closed() => {}
            () = passing => {}
        }
    });
    receiver
}

/// A callback that was taken. Dropped unsettled, it comes again.
struct Held {
    callbacks: Arc<Callbacks>,
    placed: Option<Placed>,
    // It may be dropped outside of the runtime.
    runtime: Handle,
    _slot: OwnedSemaphorePermit,
}

impl Held {
    fn put_later(&self, placed: Placed, after: Duration) {
        let callbacks = Arc::clone(&self.callbacks);
        // No more at a time than there are places.
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            callbacks.put(placed);
        });
    }
}

#[async_trait]
impl SettleCallback for Held {
    fn is_ours(&self) -> bool {
        self.placed.is_some()
    }

    async fn done(mut self: Box<Self>) -> Result<(), QueueError> {
        self.placed = None;
        Ok(())
    }

    async fn again(mut self: Box<Self>, next: Callback, after: Duration) -> Result<(), QueueError> {
        if let Some(Placed { place, .. }) = self.placed.take() {
            let callback = next;
            self.put_later(Placed { callback, place }, after);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(placed) = self.placed.take() {
            self.put_later(placed, CALLBACK_RETURN);
        }
    }
}
