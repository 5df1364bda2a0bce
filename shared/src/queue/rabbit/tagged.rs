//! A job as the broker delivered it, and its settlement.

use async_trait::async_trait;
use lapin::Acker;
use lapin::types::ShortString;
use tokio::runtime::Handle;

use super::message::{Journey, Origin};
use super::replier::Replier;
use super::tags::{Settlement, settle};
use super::tries::Tries;
use crate::ids::JobId;
use crate::job::Job;
use crate::queue::{JobClass, QueueError, Settle};
use crate::reply::Reply;

/// A job by its delivery tag. Dropped unsettled, at whatever point, it goes back to the queue.
pub(super) struct TaggedJob {
    job: JobId,
    class: JobClass,
    acker: Option<Acker>,
    reply_to: Option<ShortString>,
    tries: Tries,
    replier: Replier,
    // A delivery may be dropped outside of the runtime.
    runtime: Handle,
}

impl TaggedJob {
    /// The job in `delivered`, which was tried that often. Must be called within the runtime.
    pub(super) fn new(
        job: JobId,
        class: JobClass,
        tries: Tries,
        delivered: lapin::message::Delivery,
        replier: Replier,
    ) -> Self {
        Self {
            job,
            class,
            reply_to: delivered.properties.reply_to().clone(),
            acker: Some(delivered.acker),
            tries,
            replier,
            runtime: Handle::current(),
        }
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }

    async fn settle(&mut self, how: Settlement) -> Result<(), QueueError> {
        match self.acker.take() {
            Some(acker) => settle(&acker, how).await,
            None => Ok(()),
        }
    }

    fn settle_in_background(&mut self, how: Settlement) {
        let Some(acker) = self.acker.take() else {
            return;
        };
        let job = self.job;
        self.runtime.spawn(async move {
            if let Err(error) = settle(&acker, how).await {
                tracing::debug!(job.id = %job, %error, ?how, "job was lost with its connection");
            }
        });
    }
}

impl Drop for TaggedJob {
    fn drop(&mut self) {
        self.settle_in_background(Settlement::Requeue);
    }
}

#[async_trait]
impl Settle for TaggedJob {
    fn is_ours(&self) -> bool {
        self.acker.as_ref().is_some_and(Acker::usable)
    }

    async fn reply(mut self: Box<Self>, reply: Reply) -> Result<(), QueueError> {
        self.replier.send(self.reply_to(), &reply).await?;
        if let Err(error) = self.settle(Settlement::Ack).await {
            tracing::warn!(
                job.id = %self.job, %error,
                "job was answered but not acknowledged; it will be delivered again"
            );
        }
        Ok(())
    }

    // As a new message, since every return of the old one counts as a try. If that cannot be,
    // better as a try than not at all.
    async fn requeue(mut self: Box<Self>, job: &Job) -> Result<(), QueueError> {
        if !self.is_ours() {
            return Err(QueueError::Disconnected);
        }
        let journey = Journey {
            class: self.class,
            reply_to: self.reply_to(),
            origin: Origin::Returned(self.tries),
        };
        match self.replier.hand_back(job, journey).await {
            Ok(()) => self.settle(Settlement::Ack).await,
            Err(error) => {
                tracing::warn!(job.id = %self.job, %error, "job goes back as if it had been lost");
                self.settle(Settlement::Requeue).await
            }
        }
    }

    fn abandon(self: Box<Self>) {
        drop(self);
    }

    fn reply_in_background(self: Box<Self>, reply: Reply) {
        let (job, runtime) = (self.job, self.runtime.clone());
        // No more at a time than the prefetch.
        runtime.spawn(async move {
            if let Err(error) = self.reply(reply).await {
                tracing::warn!(job.id = %job, %error, "job could not be answered; it goes back");
            }
        });
    }

    // To the dead letters rather than away, so that it can be seen how often this happens; what
    // expires in the queue goes there as well.
    fn expire(mut self: Box<Self>) {
        self.settle_in_background(Settlement::Reject);
    }
}
