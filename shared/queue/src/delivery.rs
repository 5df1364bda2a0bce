//! A job as a worker holds it: to be settled exactly once, by value.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::cancellations::Hold;
use crate::{JobClass, QueueError};
use warren_protocol::job::Job;
use warren_protocol::reply::{Progress, Reply};

/// One job, held by one worker until it is settled. If it is dropped unsettled (in a panic, say),
/// it goes back to the queue, or is put aside if that happened too often.
pub struct Delivery {
    /// The job to run.
    pub job: Job,
    /// Whether a caller waits for it.
    pub class: JobClass,
    /// Whether it was delivered before.
    pub redelivered: bool,
    hold: Hold,
    settle: Option<Box<dyn Settle>>,
}

/// An implementation of the settlement of a delivery.
pub trait Settle: Send {
    /// Returns whether the queue still counts the job as ours. Once the connection that brought it
    /// is lost, it does not: the job will be, or already is, another worker's.
    fn is_ours(&self) -> bool;
    /// Sends the reply, waits until it is confirmed, then acknowledges the job.
    fn reply(self: Box<Self>, reply: Reply) -> BoxFuture<'static, Result<(), QueueError>>;
    /// Gives `job` back for another worker. Does not count as a try.
    fn requeue<'a>(self: Box<Self>, job: &'a Job) -> BoxFuture<'a, Result<(), QueueError>>;
    /// Gives the job back without waiting, because the delivery was dropped unsettled. Counts as a
    /// try, as a worker's death does.
    fn abandon(self: Box<Self>);
    /// Does the same as [`Settle::reply`], without waiting. If it fails, the job goes back.
    fn reply_in_background(self: Box<Self>, reply: Reply);
    /// Puts `job` aside without waiting, because its deadline passed before a worker took it.
    /// Answers it instead if its end would go unnoticed otherwise.
    fn expire(self: Box<Self>, job: Job);
}

impl Delivery {
    /// Creates a delivery that `settle` will settle, and whose cancellation `hold` signals.
    #[must_use]
    pub(super) fn new(
        job: Job,
        class: JobClass,
        redelivered: bool,
        hold: Hold,
        settle: Box<dyn Settle>,
    ) -> Self {
        Self {
            job,
            class,
            redelivered,
            hold,
            settle: Some(settle),
        }
    }

    /// Returns a token that is cancelled once the job is no longer wanted. The job is then not to
    /// be begun, or to be ended, and answered with
    /// [`JobFailure::cancelled`](warren_protocol::reply::JobFailure::cancelled).
    #[must_use]
    pub fn cancelled(&self) -> CancellationToken {
        self.hold.token().clone()
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

    /// Gives the job back for another worker. Unlike a drop, this does not count as one of the
    /// job's [`MAX_TRIES`](warren_protocol::reply::MAX_TRIES).
    ///
    /// # Errors
    /// The connection is lost, which gives the job back as well.
    pub async fn requeue(mut self) -> Result<(), QueueError> {
        match self.settle.take() {
            Some(settle) => settle.requeue(&self.job).await,
            None => Ok(()),
        }
    }

    /// Returns the delivery if it is still worth running. Forgets a job that is no longer ours,
    /// answers one that was cancelled, and puts aside one whose deadline passed.
    #[must_use]
    pub fn if_worth_running(mut self) -> Option<Self> {
        let settle = self.settle.take()?;
        if !settle.is_ours() {
            tracing::debug!(job.id = %self.job.id, "a job went back to its queue before it was taken");
            None
        } else if self.hold.token().is_cancelled() {
            tracing::info!(job.id = %self.job.id, "job not run: it was cancelled");
            settle.reply_in_background(Reply::cancelled(self.job.clone(), Progress::NotBegun));
            None
        } else if self.job.deadline.has_passed() {
            tracing::info!(job.id = %self.job.id, "job not run: its deadline had passed");
            settle.expire(self.job.clone());
            None
        } else {
            self.settle = Some(settle);
            Some(self)
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
