//! Callbacks in process: a bounded queue, and pauses on this process's clock.
//!
//! All of it ends with the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::callback::CALLBACK_RETURN;
use crate::{
    Callback, CallbackDelivery, MAX_QUEUED_CALLBACKS, Prefetch, QueueError, SettleCallback,
};

/// The callbacks of one in-process queue.
pub(super) struct Callbacks {
    waiting: Mutex<VecDeque<QueuedCallback>>,
    waits: Notify,
    permits: Arc<Semaphore>,
}

/// A callback with its permit, which it keeps until it is done.
struct QueuedCallback {
    callback: Callback,
    permit: OwnedSemaphorePermit,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            waits: Notify::new(),
            permits: Arc::new(Semaphore::new(MAX_QUEUED_CALLBACKS as usize)),
        }
    }
}

impl Callbacks {
    /// Queues a callback, if there is room.
    pub(super) fn queue(&self, callback: Callback) -> Result<(), QueueError> {
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_full| QueueError::Refused("the queue of callbacks"))?;
        self.put(QueuedCallback { callback, permit });
        Ok(())
    }

    fn put(&self, queued: QueuedCallback) {
        self.lock().push_back(queued);
        self.waits.notify_one();
    }

    async fn take(&self) -> QueuedCallback {
        loop {
            let notified = self.waits.notified();
            if let Some(queued) = self.lock().pop_front() {
                return queued;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<QueuedCallback>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a stream of callbacks to post, at most `prefetch` of them unsettled.
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
                let held = MemoryCallback {
                    callbacks: Arc::clone(&callbacks),
                    queued: Some(taken),
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

/// A callback that was taken. Dropping it unsettled has it delivered again.
struct MemoryCallback {
    callbacks: Arc<Callbacks>,
    queued: Option<QueuedCallback>,
    // It may be dropped outside of the runtime.
    runtime: Handle,
    _slot: OwnedSemaphorePermit,
}

impl MemoryCallback {
    fn put_later(&self, queued: QueuedCallback, after: Duration) {
        let callbacks = Arc::clone(&self.callbacks);
        // Bounded by the number of permits.
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            callbacks.put(queued);
        });
    }
}

impl SettleCallback for MemoryCallback {
    fn is_ours(&self) -> bool {
        self.queued.is_some()
    }

    fn done(mut self: Box<Self>) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(async move {
            self.queued = None;
            Ok(())
        })
    }

    fn again(
        mut self: Box<Self>,
        next: Callback,
        after: Duration,
    ) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(async move {
            if let Some(QueuedCallback { permit, .. }) = self.queued.take() {
                let callback = next;
                self.put_later(QueuedCallback { callback, permit }, after);
            }
            Ok(())
        })
    }
}

impl Drop for MemoryCallback {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            self.put_later(queued, CALLBACK_RETURN);
        }
    }
}
