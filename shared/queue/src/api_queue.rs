//! The API's side of the queue: submits jobs, and receives their replies.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

use crate::cancellations::REMEMBERED_FOR;
use crate::{
    Callback, CallbackDelivery, PendingReply, Prefetch, QueueError, QueueLink, SubmitError,
    Unclaimed,
};

/// The longest that [`ApiQueue::cancel`] may take.
pub const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// An API's side of the queue.
pub trait ApiQueue: QueueLink {
    /// Registers a waiter for the job's reply, then queues the job as
    /// [`Interactive`](crate::JobClass::Interactive). `Ok` once the queue has it, or its reply has
    /// arrived already. Bounded by the job's deadline.
    ///
    /// # Errors
    /// [`SubmitError`]: the job is not queued and will not be run, except after
    /// [`SubmitError::Unconfirmed`], when it may be.
    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<PendingReply, SubmitError>>;

    /// Queues a job that no caller waits for, as [`Unattended`](crate::JobClass::Unattended). `Ok`
    /// once it would survive the queue's restart, if this queue can. No worker needs to be there
    /// yet. Its reply is [`ApiQueue::unclaimed`], and there is one even if the deadline passes first.
    ///
    /// # Errors
    /// As [`ApiQueue::submit`], but for [`SubmitError::NoWorkers`].
    fn submit_unattended<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), SubmitError>>;

    /// Notifies all workers that a job is no longer wanted: its caller has hung up, or it was
    /// cancelled. One that has not begun does not begin, and one that runs is ended. The worker that
    /// holds it answers it with
    /// [`FailureCode::Cancelled`](warren_protocol::reply::FailureCode::Cancelled). Best effort,
    /// bounded by [`CANCEL_TIMEOUT`]: a worker that is not notified runs the job, by its deadline at
    /// the latest. Does nothing to a job that is done or unknown.
    fn cancel(&self, job: JobId) -> BoxFuture<'_, ()> {
        self.withdraw(job, Deadline::after(REMEMBERED_FOR))
    }

    /// Cancels a job that may wait until `deadline`, as [`ApiQueue::cancel`] does. Workers remember
    /// for that long that it must not begin.
    fn withdraw(&self, job: JobId, deadline: Deadline) -> BoxFuture<'_, ()>;

    /// Returns the stream of replies that no waiter took, to be recorded. It exists once per
    /// handle.
    ///
    /// # Errors
    /// [`QueueError`] if the stream was already taken.
    fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Unclaimed>, QueueError>>;

    /// Queues a callback for any API to post. `Ok` once it would survive the queue's restart, if
    /// this queue can. Bounded in time.
    ///
    /// # Errors
    /// [`QueueError`]: it is not queued, or whether it is cannot be known.
    fn queue_callback<'a>(
        &'a self,
        callback: &'a Callback,
    ) -> BoxFuture<'a, Result<(), QueueError>>;

    /// Returns the stream of callbacks to post, at most `prefetch` of them unsettled at a time. It
    /// exists once per handle.
    ///
    /// # Errors
    /// [`QueueError`] if the stream was already taken.
    fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<CallbackDelivery>, QueueError>>;

    /// Returns the workers that announced themselves within
    /// [`FORGOTTEN_AFTER`](warren_protocol::presence::FORGOTTEN_AFTER), whatever their state.
    fn workers(&self) -> Vec<WorkerStatus>;

    /// Subscribes to all events from now on. A subscriber that is
    /// [too far behind](warren_protocol::event::MAX_EVENTS_BEHIND) misses the oldest.
    fn events(&self) -> broadcast::Receiver<JobEvent>;

    /// Returns how many [`Interactive`](crate::JobClass::Interactive) jobs waited when the queue
    /// was last asked: about a second ago at most, while the broker is reachable. `None` if it is
    /// not known.
    fn waiting(&self) -> Option<u32>;

    /// Returns the pool of connections that durable messages are published on; `None` if this queue
    /// has none.
    fn broker_pool(&self) -> Option<BrokerPool> {
        None
    }
}

/// The state of a pool of connections to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerPool {
    /// Connections in the pool, in use or not.
    pub size: usize,
    /// Connections that are not in use.
    pub available: usize,
    /// Messages that wait for a connection.
    pub waiting: usize,
}
