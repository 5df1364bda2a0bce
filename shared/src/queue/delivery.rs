//! A job as a worker holds it: to be settled exactly once, by value.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::job::Job;
use crate::queue::QueueError;
use crate::reply::Reply;

/// The jobs as they arrive. Ends after its `stop` token was cancelled.
pub type Deliveries = mpsc::Receiver<Delivery>;

/// One job, held by one worker until it is settled. Dropped unsettled (a panic, say), it goes
/// back to the queue.
pub struct Delivery {
    /// What to run.
    pub job: Job,
    /// Whether it was delivered before.
    pub redelivered: bool,
    settle: Option<Box<dyn Settle>>,
}

/// How an implementation of the queue settles a delivery.
#[async_trait]
pub trait Settle: Send {
    /// Sends the reply, waits until it is confirmed, then acknowledges the job.
    async fn reply(self: Box<Self>, reply: Reply) -> Result<(), QueueError>;
    /// Gives the job back for another worker.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError>;
    /// The delivery was dropped unsettled: gives the job back without waiting.
    fn abandon(self: Box<Self>);
}

impl Delivery {
    /// A delivery that `settle` will settle.
    #[must_use]
    pub fn new(job: Job, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self {
            job,
            redelivered,
            settle: Some(settle),
        }
    }

    /// Sends the reply and, once it is confirmed, acknowledges the job.
    ///
    /// # Errors
    /// The reply may not have arrived; the job is then delivered again.
    pub async fn reply(mut self, reply: Reply) -> Result<(), QueueError> {
        match self.settle.take() {
            Some(settle) => settle.reply(reply).await,
            None => Ok(()),
        }
    }

    /// Gives the job back for another worker.
    ///
    /// # Errors
    /// The connection is lost, which gives the job back as well.
    pub async fn requeue(mut self) -> Result<(), QueueError> {
        match self.settle.take() {
            Some(settle) => settle.requeue().await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.abandon();
        }
    }
}

/// A reply that no waiter took. Acknowledge it once it is recorded; dropped, it comes again.
pub struct Unclaimed {
    /// The reply.
    pub reply: Reply,
    settle: Option<Box<dyn FnOnce() + Send>>,
}

impl Unclaimed {
    /// A reply that `recorded` is called for once it is safe.
    #[must_use]
    pub fn new(reply: Reply, recorded: Box<dyn FnOnce() + Send>) -> Self {
        Self {
            reply,
            settle: Some(recorded),
        }
    }

    /// The reply is recorded and must not come again.
    pub fn acknowledge(mut self) {
        if let Some(settle) = self.settle.take() {
            settle();
        }
    }
}
