//! The worker's side of the queue: takes jobs, and announces the worker.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use warren_protocol::presence::WorkerStatus;

use crate::{Deliveries, Prefetch, QueueError, QueueLink};

/// A worker's side of the queue. A reply goes back through the [`Delivery`](crate::Delivery) that
/// it answers.
pub trait WorkerQueue: QueueLink {
    /// Returns the stream of jobs to run: of each class at most what `prefetch` says unsettled at a
    /// time, and suspects' tokens, one at a time. A job whose deadline has passed is not among
    /// them. The stream continues through any loss of connection until `stop` is cancelled. Then no
    /// more jobs arrive, while those taken can still be settled. There is one such stream at a time
    /// per handle: once it has ended with its `stop`, there may be another.
    ///
    /// # Errors
    /// [`QueueError`] if the stream is taken already.
    fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<Deliveries, QueueError>>;

    /// Announces this worker's state to every API, as far as that can be done now: the next
    /// announcement makes up for a lost one. Bounded by
    /// [`ANNOUNCE_EVERY`](warren_protocol::presence::ANNOUNCE_EVERY).
    fn announce<'a>(&'a self, status: &'a WorkerStatus) -> BoxFuture<'a, ()>;
}
