//! The worker's consumer: jobs from the queue into the worker's stream, and their settlement.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::types::ShortString;
use lapin::{Acker, Channel};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::connected::Connected;
use super::message::{Origin, correlation, decode, origin};
use super::replier::Replier;
use super::streams::{Slot, Subscription, cancel, consume};
use super::supervisor::{Built, Unit};
use super::tags::{Settlement, settle};
use super::topology::JOBS;
use crate::ids::{InstanceId, JobId};
use crate::job::Job;
use crate::queue::{Delivery, QueueError, Settle};
use crate::reply::Reply;

/// The unit that consumes jobs.
pub(super) struct Consuming {
    pub(super) instance: InstanceId,
    pub(super) subscriber: Slot<Delivery>,
    pub(super) replier: Replier,
}

#[async_trait]
impl Unit for Consuming {
    type Session = Arc<Connected>;
    const PURPOSE: &'static str = "consume jobs";

    async fn build(
        &self,
        connected: &Arc<Connected>,
        _number: u64,
        stop: &CancellationToken,
    ) -> Result<Built<Arc<Connected>>, QueueError> {
        let channel = connected.lasting_channel().await?;
        let tag = self.instance.as_str().to_owned();
        let (subscriber, replier) = (self.subscriber.clone(), self.replier.clone());
        let stop = stop.clone();
        let work = async move {
            let consuming = async {
                let subscription = subscriber.subscribed().await;
                pump(&channel, &tag, subscription, &replier).await
            };
            if let Some(Err(error)) = stop.run_until_cancelled(consuming).await {
                return error;
            }
            stop.cancelled().await;
            QueueError::Closed
        };
        Ok(Built {
            session: Arc::clone(connected),
            work: Box::pin(work),
        })
    }
}

/// Passes jobs on until the subscription ends.
async fn pump(
    channel: &Channel,
    tag: &str,
    subscription: Subscription<Delivery>,
    replier: &Replier,
) -> Result<(), QueueError> {
    let mut consumer = consume(channel, JOBS, tag, subscription.prefetch).await?;
    loop {
        let delivered = tokio::select! {
            biased;
            () = subscription.stop.cancelled() => break,
            () = subscription.sender.closed() => break,
            delivered = consumer.next() => delivered,
        };
        let delivered = delivered
            .ok_or(QueueError::ConsumerCancelled(JOBS))?
            .map_err(QueueError::while_doing("consume jobs"))?;
        if let Some(delivery) = receive(delivered, replier).await? {
            // Never waits on this connection, since no more than the prefetch are unsettled; what
            // an earlier connection brought may still be in the way.
            if let Err(untaken) = subscription.sender.send(delivery).await {
                hand_back(untaken.0).await;
            }
        }
    }
    for delivered in cancel(channel, consumer).await? {
        if let Some(delivery) = receive(delivered, replier).await?
            && let Err(untaken) = subscription.sender.try_send(delivery)
        {
            hand_back(untaken.into_inner()).await;
        }
    }
    Ok(())
}

/// Gives a job back that nobody takes.
async fn hand_back(delivery: Delivery) {
    let job = delivery.job.id;
    if let Err(error) = delivery.requeue().await {
        tracing::debug!(job.id = %job, %error, "job was lost with its connection");
    }
}

async fn receive(
    delivered: lapin::message::Delivery,
    replier: &Replier,
) -> Result<Option<Delivery>, QueueError> {
    match decode::<Job>(&delivered.data) {
        Ok(job) => {
            let settle = TaggedJob {
                job: job.id,
                acker: Some(delivered.acker),
                reply_to: delivered.properties.reply_to().clone(),
                replier: replier.clone(),
                runtime: Handle::current(),
            };
            let redelivered =
                delivered.redelivered || origin(&delivered.properties) == Origin::HandedBack;
            Ok(Some(Delivery::new(job, redelivered, Box::new(settle))))
        }
        Err(problem) => {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                %problem,
                "message on warren.jobs cannot be read; moved to warren.jobs.dead"
            );
            settle(&delivered.acker, Settlement::Reject).await?;
            Ok(None)
        }
    }
}

/// A job by its delivery tag. Dropped unsettled, at whatever point, it goes back to the queue.
struct TaggedJob {
    job: JobId,
    acker: Option<Acker>,
    reply_to: Option<ShortString>,
    replier: Replier,
    // A delivery may be dropped outside of the runtime.
    runtime: Handle,
}

impl TaggedJob {
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
        let reply_to = self.reply_to.as_ref().map(ShortString::as_str);
        self.replier.send(reply_to, &reply).await?;
        if let Err(error) = self.settle(Settlement::Ack).await {
            tracing::warn!(
                job.id = %self.job, %error,
                "job was answered but not acknowledged; it will be delivered again"
            );
        }
        Ok(())
    }

    // As a new message, since the broker counts every return as a try. If that cannot be, better
    // as a try than not at all.
    async fn requeue(mut self: Box<Self>, job: &Job) -> Result<(), QueueError> {
        if !self.is_ours() {
            return Err(QueueError::Disconnected);
        }
        let reply_to = self.reply_to.as_ref().map_or("", ShortString::as_str);
        match self.replier.hand_back(job, reply_to).await {
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

    // To the dead letters rather than away, so that it can be seen how often this happens; what
    // expires in the queue goes there as well.
    fn expire(mut self: Box<Self>) {
        self.settle_in_background(Settlement::Reject);
    }
}
