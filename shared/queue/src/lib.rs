//! The queue between API and workers: the [`JobQueue`] seam, what passes through it, and its two
//! implementations, RabbitMQ and in-process. Both are held to one conformance suite
//! (`tests/conformance/`).

mod bulletin;
mod callback;
mod cancellations;
mod class;
mod deliveries;
mod delivery;
pub mod memory;
mod pending;
pub mod rabbit;
mod roll;
mod room_turns;
mod turn;
mod unclaimed;
mod waiters;

pub use callback::{
    Callback, CallbackDelivery, LONGEST_CALLBACK_PAUSE, MAX_QUEUED_CALLBACKS, SettleCallback,
};
pub use class::{JobClass, Prefetch};
pub use deliveries::Deliveries;
pub use delivery::{Delivery, Settle};
pub use memory::MemoryQueue;
pub use pending::{PendingReply, WaitError};
pub use rabbit::{RabbitConfig, RabbitQueue};
pub use room_turns::RoomTurns;
pub use turn::{Fetch, Offer, Turn};
pub use unclaimed::{Fate, Unclaimed};

use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

/// The most jobs of one class that wait; one more is refused ([`SubmitError::Full`]).
pub const MAX_QUEUED_JOBS: u32 = 10_000;

/// The way of a job to a worker and of its reply back.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Registers a waiter for the job's reply, then queues the job as
    /// [`JobClass::Interactive`]. `Ok` once the queue has it, or its reply is there already.
    /// Bounded by the job's deadline.
    ///
    /// # Errors
    /// [`SubmitError`]: the job is not queued and will not be run, except after
    /// [`SubmitError::Unconfirmed`], when nobody knows.
    async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError>;

    /// Queues a job that nobody waits for, as [`JobClass::Unattended`]. `Ok` once it would survive
    /// the queue's restart, if this queue can. There need not be a worker yet. Its reply is
    /// [`JobQueue::unclaimed`], and there is one even if the deadline passes first.
    ///
    /// # Errors
    /// As [`JobQueue::submit`], but for [`SubmitError::NoWorkers`].
    async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError>;

    /// Tells all workers that a job is not wanted any more: its caller has gone, or it was cancelled. One that
    /// was not begun is not begun, and one that runs is ended; whoever holds it answers it with
    /// [`FailureCode::Cancelled`](warren_protocol::reply::FailureCode::Cancelled). Best effort, bounded by
    /// [`CANCEL_TIMEOUT`]: a worker that is not told runs the job, by its deadline at the latest.
    /// Does nothing to a job that is done or unknown.
    async fn cancel(&self, job: JobId) {
        self.withdraw(job, Deadline::after(cancellations::REMEMBERED_FOR))
            .await;
    }

    /// As [`JobQueue::cancel`], of a job that may wait until `deadline`: workers remember for that
    /// long that it is not to be begun.
    async fn withdraw(&self, job: JobId, deadline: Deadline);

    /// Jobs to run, of each class at most what `prefetch` says unsettled at a time, and suspects'
    /// turns, one at a time; a job whose
    /// deadline has passed is not among them. Goes on through any loss of connection until `stop` is cancelled; then no
    /// more jobs arrive, while those taken can still be settled. There is one such stream at a
    /// time per queue handle: once it has ended with its `stop`, there may be another.
    ///
    /// # Errors
    /// [`QueueError`] if the stream is taken already or this handle is not a worker's.
    async fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<Deliveries, QueueError>;

    /// Replies that no waiter took, to be recorded. There is one such stream per queue handle.
    ///
    /// # Errors
    /// [`QueueError`] if the stream was already taken.
    async fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<Unclaimed>, QueueError>;

    /// Queues a callback to be posted by any API. `Ok` once it would survive the queue's restart, if
    /// this queue can. Bounded in time.
    ///
    /// # Errors
    /// [`QueueError`]: it is not queued, or nobody knows whether it is.
    async fn queue_callback(&self, callback: &Callback) -> Result<(), QueueError>;

    /// Callbacks to be posted, at most `prefetch` of them unsettled at a time. There is one such
    /// stream per queue handle.
    ///
    /// # Errors
    /// [`QueueError`] if the stream was already taken.
    async fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<CallbackDelivery>, QueueError>;

    /// How the queue is, by asking it. Bounded by [`STATUS_TIMEOUT`].
    async fn status(&self) -> Result<QueueStatus, QueueError>;

    /// Tells every API how this worker is, as far as that can be done now: the next announcement
    /// makes up for a lost one. Bounded by [`ANNOUNCE_EVERY`](warren_protocol::presence::ANNOUNCE_EVERY).
    async fn announce(&self, status: &WorkerStatus);

    /// The workers that announced themselves within
    /// [`FORGOTTEN_AFTER`](warren_protocol::presence::FORGOTTEN_AFTER), whatever their state; none on a
    /// worker's handle.
    fn workers(&self) -> Vec<WorkerStatus>;

    /// Tells every API what happens to a job, as far as that can be done now. Bounded by
    /// [`TELL_TIMEOUT`](warren_protocol::event::TELL_TIMEOUT).
    async fn tell(&self, event: &JobEvent);

    /// What is told from now on; nothing on a worker's handle. Whoever is
    /// [too far behind](warren_protocol::event::MAX_EVENTS_BEHIND) misses the oldest.
    fn events(&self) -> broadcast::Receiver<JobEvent>;

    /// How many [`JobClass::Interactive`] jobs waited when that was last seen: with the broker
    /// within reach, about a second ago at most. `None` if nobody knows, and on a worker's handle.
    fn waiting(&self) -> Option<u32>;

    /// The pool of connections to publish on; `None` if this queue has none.
    fn broker_pool(&self) -> Option<BrokerPool> {
        None
    }

    /// Lets go of connections and waiters, within `grace`.
    async fn close(&self, grace: Duration);
}

/// How long [`JobQueue::status`] may take.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long [`JobQueue::cancel`] may take.
pub const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a queue says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// [`JobClass::Interactive`] jobs waiting for a worker, and suspects of either class.
    pub waiting: u32,
    /// [`JobClass::Unattended`] jobs waiting for a worker.
    pub unattended: u32,
    /// Workers that take jobs.
    pub consumers: u32,
    /// How long it took to ask.
    pub latency: Duration,
}

/// The state of a pool of connections to publish on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerPool {
    /// Connections in the pool, in use or not.
    pub size: usize,
    /// Connections that are not in use.
    pub available: usize,
    /// Messages that wait for a connection.
    pub waiting: usize,
}

/// Why a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many jobs wait as may.
    #[error("the job queue is full")]
    Full,
    /// Nobody takes jobs.
    #[error("no worker is connected to the job queue")]
    NoWorkers,
    /// The queue cannot be reached, or has asked us not to publish.
    #[error("the job queue cannot be reached")]
    Unavailable,
    /// The job was sent but the queue did not confirm it in time: it may or may not run.
    #[error("the job queue did not confirm the job in time")]
    Unconfirmed,
    /// The job's deadline passed first.
    #[error("the job's deadline passed before it was queued")]
    DeadlinePassed,
}

/// What is wrong with the queue itself.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker's URL cannot be used.
    #[error(
        "RABBITMQ_URL is not a valid AMQP address: {0}; give one like amqp://user:password@host:5672/%2f"
    )]
    InvalidUrl(String),
    /// There is no connection now; it is being rebuilt.
    #[error("not connected to RabbitMQ; connecting in the background")]
    Disconnected,
    /// The last attempt to connect failed; the next is under way.
    #[error(
        "not connected to RabbitMQ; retrying in the background (check that the broker runs and that RABBITMQ_URL is right). The last problem: {0}"
    )]
    Unreachable(String),
    /// The broker takes no messages because its memory or disk alarm is raised.
    #[error(
        "RabbitMQ takes no messages because of its memory or disk alarm; free memory or disk space on its host"
    )]
    Blocked,
    /// The broker ended a consumer of ours.
    #[error("RabbitMQ cancelled our consumer of {0}; subscribing again")]
    ConsumerCancelled(&'static str),
    /// A message is larger than the broker takes.
    #[error("a message of {bytes} bytes is larger than RabbitMQ takes ({limit})")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most there may be.
        limit: u64,
    },
    /// A queue that the message was for takes no more, or is gone.
    #[error("RabbitMQ refused a message: {0} is full or gone")]
    Refused(&'static str),
    /// The broker refused or failed an operation.
    #[error("RabbitMQ: cannot {context}")]
    Amqp {
        /// What was being done, as a verb phrase.
        context: &'static str,
        /// What the library says.
        #[source]
        source: Box<lapin::Error>,
    },
    /// The broker did not answer in time.
    #[error("RabbitMQ did not answer in time: {context}")]
    TimedOut {
        /// What was being done.
        context: &'static str,
    },
    /// A stream that exists once was asked for again.
    #[error("{0} was already taken from this queue")]
    AlreadyTaken(&'static str),
    /// A worker's operation on an API's handle, or the other way round.
    #[error("{0} is not what this side's handle of the queue is for; this is a bug in Warren")]
    WrongSide(&'static str),
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}

impl QueueError {
    /// For `map_err`: what the library says, and what was being done.
    fn while_doing(context: &'static str) -> impl FnOnce(lapin::Error) -> Self {
        move |source| Self::Amqp {
            context,
            source: Box::new(source),
        }
    }
}
