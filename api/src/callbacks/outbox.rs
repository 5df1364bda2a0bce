//! Bounded outbox between the recorder and the queue of callbacks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_queue::{ApiQueue, Callback, QueueError};

use super::counters::CallbackCounters;
use super::waiting::Receiver;
use crate::history::CallbackSink;
use crate::sync::{AllottedPermits, pauses};

/// The most callbacks that wait for the queue, allotted to callers and receivers.
const MAX_WAITING: usize = 10_000;
/// Pauses between attempts to queue a callback: the first, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How long the queue may be full before a callback is given up. Unclaimed replies are settled
/// after their callbacks, so they must not wait for long: otherwise receivers that accept nothing
/// would hold up the history.
const FULL_FOR: Duration = Duration::from_secs(10);

/// A bounded outbox of callbacks.
pub(crate) struct Outbox {
    queue: Arc<dyn ApiQueue>,
    permits: AllottedPermits<Receiver>,
    tasks: TaskTracker,
    given_up: CancellationToken,
    counters: Arc<CallbackCounters>,
}

impl Outbox {
    pub(super) fn new(queue: Arc<dyn ApiQueue>, counters: Arc<CallbackCounters>) -> Self {
        Self {
            queue,
            permits: AllottedPermits::new(MAX_WAITING),
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
            counters,
        }
    }

    /// Accepts a callback without waiting. Calls `queued` once the callback is in the queue, or is
    /// given up because the queue is full; drops it if the queue cannot be reached. Must be called
    /// on a Tokio runtime.
    pub(crate) fn send(&self, callback: Callback, queued: impl FnOnce() + Send + 'static) {
        let caller = callback.caller.unwrap_or_default();
        let Some(permit) = self.permits.take(caller, Receiver::of(&callback)) else {
            return lost(&callback, &self.counters);
        };
        let (queue, counters) = (Arc::clone(&self.queue), Arc::clone(&self.counters));
        let given_up = self.given_up.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            let queueing = push(queue.as_ref(), &callback);
            match given_up.run_until_cancelled(queueing).await {
                Some(Pushed::Queued) => queued(),
                // The execution is recorded, and further replies must be, too.
                Some(Pushed::NoRoom) => {
                    lost(&callback, &counters);
                    queued();
                }
                None => lost(&callback, &counters),
            }
        });
    }

    /// Queues the waiting callbacks for at most `grace`. The rest is lost, unless its sender still
    /// has it.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            self.given_up.cancel();
            self.tasks.wait().await;
        }
    }
}

impl CallbackSink for Outbox {
    fn send(&self, callback: Callback, queued: Box<dyn FnOnce() + Send>) {
        Self::send(self, callback, queued);
    }
}

enum Pushed {
    Queued,
    NoRoom,
}

async fn push(queue: &dyn ApiQueue, callback: &Callback) -> Pushed {
    push_since(queue, callback, Instant::now()).await
}

async fn push_since(queue: &dyn ApiQueue, callback: &Callback, begun: Instant) -> Pushed {
    let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
    let mut is_first = true;
    while let Err(error) = queue.queue_callback(callback).await {
        if matches!(error, QueueError::Refused(_)) && begun.elapsed() >= FULL_FOR {
            return Pushed::NoRoom;
        }
        if std::mem::take(&mut is_first) {
            tracing::warn!(job.id = %callback.job, %error, "cannot queue a callback yet; retrying");
        }
        tokio::time::sleep(pauses.next().unwrap_or(LAST_PAUSE)).await;
    }
    Pushed::Queued
}

fn lost(callback: &Callback, counters: &CallbackCounters) {
    counters.lost.add();
    tracing::error!(job.id = %callback.job, "failed to queue a callback: the queue was full or unavailable for too long");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use warren_protocol::ids::JobId;
    use warren_queue::{MemoryQueue, QueueLink};

    use super::*;

    fn callback() -> Callback {
        Callback::new(JobId::new(), "https://example.com/".parse().unwrap())
    }

    fn outbox(queue: MemoryQueue) -> (Outbox, Arc<CallbackCounters>) {
        let counters = Arc::<CallbackCounters>::default();
        (
            Outbox::new(Arc::new(queue), Arc::clone(&counters)),
            counters,
        )
    }

    /// Sends `count` callbacks. Returns how many of them are reported as queued.
    fn send(outbox: &Outbox, count: usize) -> Arc<AtomicUsize> {
        let queued = Arc::<AtomicUsize>::default();
        for _ in 0..count {
            let queued = Arc::clone(&queued);
            outbox.send(callback(), move || {
                queued.fetch_add(1, Ordering::SeqCst);
            });
        }
        queued
    }

    #[tokio::test]
    async fn what_is_sent_is_queued_before_the_end() {
        let (outbox, counters) = outbox(MemoryQueue::new());
        let queued = send(&outbox, 100);
        outbox.drain(Duration::from_secs(20)).await;
        assert_eq!(queued.load(Ordering::SeqCst), 100);
        assert_eq!(counters.counts().lost, 0);
    }

    #[tokio::test]
    async fn without_a_queue_it_is_bounded_and_its_loss_is_counted() {
        let queue = MemoryQueue::new();
        queue.close(Duration::ZERO).await;
        let (outbox, counters) = outbox(queue);
        let queued = send(&outbox, MAX_WAITING);
        // One receiver has half of the places.
        let refused = counters.counts().lost;
        assert!(refused.abs_diff(MAX_WAITING as u64 / 2) <= 2, "{refused}");
        let other = Callback::new(JobId::new(), "https://example.org/".parse().unwrap());
        outbox.send(other, || ());
        assert_eq!(counters.counts().lost, refused);
        outbox.drain(Duration::ZERO).await;
        // The sender was not notified, so it keeps the callback.
        assert_eq!(queued.load(Ordering::SeqCst), 0);
        assert_eq!(counters.counts().lost, MAX_WAITING as u64 + 1);
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for_and_not_for_ever() {
        let queue = MemoryQueue::new();
        while queue.queue_callback(&callback()).await.is_ok() {}
        let began = Instant::now() - FULL_FOR;
        assert!(matches!(
            push_since(&queue, &callback(), began).await,
            Pushed::NoRoom
        ));
        let (outbox, counters) = outbox(queue);
        let queued = send(&outbox, 1);
        outbox.drain(Duration::from_millis(10)).await;
        assert_eq!(queued.load(Ordering::SeqCst), 0);
        assert_eq!(counters.counts().lost, 1);
    }
}
