//! The in-process queue, which `warren up` runs on.
//!
//! It has the semantics of RabbitMQ's, and is held to the same conformance suite; its jobs are lost
//! with the process.

mod callbacks;
mod hub;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::waiters::{Epoch, Waiters};
use crate::{
    ApiQueue, Callback, CallbackDelivery, Deliveries, MAX_QUEUED_JOBS, PendingReply, Prefetch,
    QueueError, QueueLink, QueueStatus, SubmitError, Unclaimed, WorkerQueue,
};
use hub::{HandleId, Hub};
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

/// A handle never loses its connection, so it has one epoch.
const EPOCH: Epoch = Epoch(0);

/// One process's (in tests: one instance's) handle of an in-process queue.
pub struct MemoryQueue {
    hub: Arc<Hub>,
    id: HandleId,
    waiters: Arc<Waiters>,
    closed: CancellationToken,
    taken: TakenStreams,
}

#[derive(Default)]
struct TakenStreams {
    jobs: Arc<AtomicBool>,
    unclaimed: AtomicBool,
    callbacks: AtomicBool,
}

impl MemoryQueue {
    /// Creates an empty queue for at most [`MAX_QUEUED_JOBS`] waiting jobs.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(MAX_QUEUED_JOBS)
    }

    /// Creates an empty queue for at most `capacity` waiting jobs.
    #[must_use]
    pub fn with_capacity(capacity: u32) -> Self {
        Self::attached(Arc::new(Hub::new(capacity)))
    }

    /// Creates another instance's handle of the same queue.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::attached(Arc::clone(&self.hub))
    }

    fn attached(hub: Arc<Hub>) -> Self {
        let waiters = Arc::new(Waiters::default());
        waiters.open(EPOCH);
        Self {
            id: hub.attach(&waiters),
            hub,
            waiters,
            closed: CancellationToken::new(),
            taken: TakenStreams::default(),
        }
    }

    /// Returns a token that ends with `stop` or with this handle, whichever comes first.
    fn until(&self, stop: CancellationToken) -> CancellationToken {
        let either = self.closed.child_token();
        let ended = either.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => ended.cancel(),
                () = ended.cancelled() => {}
            }
        });
        either
    }

    fn let_go(&self) {
        self.closed.cancel();
        self.hub.detach(self.id);
        self.waiters.fail_all();
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryQueue {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl QueueLink for MemoryQueue {
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>> {
        Box::pin(async move {
            if self.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            let asked = Instant::now();
            Ok(self.hub.status(asked))
        })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if !self.closed.is_cancelled() {
                self.hub.events().publish(event.clone());
            }
        })
    }

    fn close(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.let_go();
        })
    }
}

impl ApiQueue for MemoryQueue {
    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<PendingReply, SubmitError>> {
        Box::pin(async move {
            if job.deadline.has_passed() {
                return Err(SubmitError::DeadlinePassed);
            }
            let pending = self.waiters.register(EPOCH, job.id)?;
            self.hub.submit(job.clone(), self.id)?;
            Ok(pending)
        })
    }

    fn submit_unattended<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(async move {
            if job.deadline.has_passed() {
                return Err(SubmitError::DeadlinePassed);
            }
            if self.closed.is_cancelled() {
                return Err(SubmitError::Unavailable);
            }
            self.hub.submit_unattended(job.clone())
        })
    }

    fn withdraw(&self, job: JobId, deadline: Deadline) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.hub.cancellations.cancel(job, deadline);
        })
    }

    fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Unclaimed>, QueueError>> {
        Box::pin(async move {
            if self.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            if self.taken.unclaimed.swap(true, Ordering::SeqCst) {
                return Err(QueueError::AlreadyTaken("the stream of unclaimed replies"));
            }
            let stop = self.until(stop);
            Ok(streams::unclaimed(&self.hub, stop))
        })
    }

    fn queue_callback<'a>(
        &'a self,
        callback: &'a Callback,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            if self.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            self.hub.callbacks.queue(callback.clone())
        })
    }

    fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<CallbackDelivery>, QueueError>> {
        Box::pin(async move {
            if self.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            if self.taken.callbacks.swap(true, Ordering::SeqCst) {
                return Err(QueueError::AlreadyTaken("the stream of callbacks"));
            }
            let stop = self.until(stop);
            Ok(callbacks::stream(&self.hub.callbacks, prefetch, stop))
        })
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.hub.workers().at(Instant::now())
    }

    fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.hub.events().subscribe()
    }

    fn waiting(&self) -> Option<u32> {
        (!self.closed.is_cancelled()).then(|| self.hub.status(Instant::now()).waiting)
    }
}

impl WorkerQueue for MemoryQueue {
    fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<Deliveries, QueueError>> {
        Box::pin(async move {
            if self.closed.is_cancelled() {
                return Err(QueueError::Closed);
            }
            if self.taken.jobs.swap(true, Ordering::SeqCst) {
                return Err(QueueError::AlreadyTaken("the stream of jobs"));
            }
            let until = self.until(stop.clone());
            let taken = Arc::clone(&self.taken.jobs);
            let fetched = streams::jobs(&self.hub, self.id, prefetch, until, taken);
            Ok(Deliveries::new(fetched, stop, self.closed.clone()))
        })
    }

    fn announce<'a>(&'a self, status: &'a WorkerStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if !self.closed.is_cancelled() {
                self.hub.workers().update(status.clone(), Instant::now());
            }
        })
    }
}
