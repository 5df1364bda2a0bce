//! The operations that both sides of the queue have: state, events, close.

use std::time::Duration;

use futures_util::future::BoxFuture;
use warren_protocol::event::JobEvent;

use crate::QueueError;

/// The longest that [`QueueLink::status`] may take.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// One process's link to the queue, whichever side it is on.
pub trait QueueLink: Send + Sync + 'static {
    /// Asks the queue for its state. Bounded by [`STATUS_TIMEOUT`].
    ///
    /// # Errors
    /// [`QueueError`]: the queue cannot be reached, or does not answer.
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>>;

    /// Publishes what happens to a job to every API, as far as that can be done now. Bounded by
    /// [`PUBLISH_TIMEOUT`](warren_protocol::event::PUBLISH_TIMEOUT).
    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()>;

    /// Releases connections and waiters, within `grace`.
    fn close(&self, grace: Duration) -> BoxFuture<'_, ()>;
}

/// The state of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// [`Interactive`](crate::JobClass::Interactive) jobs waiting for a worker, and suspects of
    /// either class.
    pub waiting: u32,
    /// [`Unattended`](crate::JobClass::Unattended) jobs waiting for a worker.
    pub unattended: u32,
    /// Workers that take jobs.
    pub consumers: u32,
    /// The time that the question took.
    pub latency: Duration,
}
