//! The worker's consumers: jobs of both classes, and suspects' turns, from their queues into the
//! worker's stream.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use lapin::Channel;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cancelling::Hearing;
use super::connected::Connected;
use super::lanes::LANES;
use super::losses::{Loss, Remedy};
use super::message::{correlation, decode};
use super::replier::Replier;
use super::streams::{Slot, Subscription, cancel, consume};
use super::supervisor::{Built, Unit};
use super::tagged::{Place, TaggedJob};
use super::tags::{Settlement, settle};
use super::topology::{INTERACTIVE_JOBS, class_in};
use super::tries::{Tries, came_back};
use super::turns::{Suspects, Turns};
use crate::cancellations::Cancellations;
use crate::{Delivery, JobClass, Offer, Prefetch, QueueError};
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;

/// The unit that consumes jobs.
pub(super) struct Consuming {
    pub(super) instance: InstanceId,
    pub(super) subscriber: Slot<Offer, Prefetch>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) replier: Replier,
}

#[async_trait]
impl Unit for Consuming {
    type Session = Arc<Connected>;
    const PURPOSE: &'static str = "consume jobs";

    async fn build(
        &self,
        connected: &Arc<Connected>,
        number: u64,
        stop: &CancellationToken,
    ) -> Result<Built<Arc<Connected>>, QueueError> {
        // First, so that none of a job that comes is missed.
        let hearing =
            Hearing::begin(connected, &self.instance, number, &self.cancellations).await?;
        // A quorum queue has a prefetch for a whole channel only.
        let mut pumps = Vec::new();
        pumps.push(self.pump(INTERACTIVE_JOBS, connected.lasting_channel().await?));
        for lane in LANES {
            pumps.push(self.pump(lane, connected.lasting_channel().await?));
        }
        let turns = Turns {
            suspects: Suspects {
                connected: Arc::clone(connected),
                channel: connected.lasting_channel().await?,
                replier: self.replier.clone(),
                cancellations: Arc::clone(&self.cancellations),
            },
            tag: self.instance.as_str().to_owned(),
        };
        let (subscriber, stop) = (self.subscriber.clone(), stop.clone());
        let taking = async move {
            let consuming = async {
                loop {
                    let subscription = subscriber.subscribed().await;
                    let pumping = pumps.iter_mut().map(|pump| pump.run(subscription.clone()));
                    let all = tokio::try_join!(
                        Box::pin(try_join_all(pumping)),
                        Box::pin(turns.run(subscription.clone()))
                    );
                    drop(subscription);
                    if let Err(error) = all {
                        return error;
                    }
                }
            };
            let lost = stop.run_until_cancelled(consuming).await;
            lost.unwrap_or(QueueError::Closed)
        };
        let work = async move {
            tokio::select! {
                biased;
                lost = taking => lost,
                lost = hearing.run() => lost,
            }
        };
        Ok(Built {
            session: Arc::clone(connected),
            work: Box::pin(work),
        })
    }
}

impl Consuming {
    fn pump(&self, queue: &'static str, channel: Channel) -> Pump {
        Pump {
            queue,
            class: class_in(queue),
            channel,
            tag: self.instance.as_str().to_owned(),
            cancellations: Arc::clone(&self.cancellations),
            replier: self.replier.clone(),
            subscriptions: 0,
            remedies: TaskTracker::new(),
        }
    }
}

/// From one queue into the stream.
struct Pump {
    queue: &'static str,
    class: JobClass,
    channel: Channel,
    tag: String,
    cancellations: Arc<Cancellations>,
    replier: Replier,
    subscriptions: u64,
    remedies: TaskTracker,
}

impl Pump {
    /// Passes jobs on until the subscription ends.
    async fn run(&mut self, subscription: Subscription<Offer, Prefetch>) -> Result<(), QueueError> {
        let queue = self.queue;
        let prefetch = subscription.prefetch.0.get();
        self.remedies.reopen();
        self.subscriptions += 1;
        // A quorum queue remembers a consumer until its last job is settled, by its tag.
        let tag = match self.subscriptions {
            1 => self.tag.clone(),
            again => format!("{}-{again}", self.tag),
        };
        let mut consumer = consume(&self.channel, queue, &tag, prefetch).await?;
        while let Some(delivered) = subscription
            .next_of(&mut consumer, queue, Consuming::PURPOSE)
            .await?
        {
            if let Some(delivery) = self.receive(delivered).await? {
                // Never waits on this connection, since no more than the prefetch are unsettled;
                // what an earlier connection brought may still be in the way.
                if let Err(untaken) = subscription.sender.send(Offer::Job(delivery)).await {
                    hand_back(untaken.0).await;
                }
            }
        }
        for delivered in cancel(&self.channel, consumer).await? {
            if let Some(delivery) = self.receive(delivered).await?
                && let Err(untaken) = subscription.sender.try_send(Offer::Job(delivery))
            {
                hand_back(untaken.into_inner()).await;
            }
        }
        // Whoever takes from the stream waits for the last of those that fill it.
        drop(subscription);
        self.remedies.close();
        self.remedies.wait().await;
        Ok(())
    }

    /// The job in `delivered`, if it is to be run as it is.
    async fn receive(
        &self,
        delivered: lapin::message::Delivery,
    ) -> Result<Option<Delivery>, QueueError> {
        let Some(job) = job_in(&delivered, self.queue).await? else {
            return Ok(None);
        };
        let tries = Tries::before(&delivered);
        // One whose deadline passed is put aside for that, by whoever takes it from the stream.
        if !job.deadline.has_passed() && came_back(&delivered) {
            let loss = Loss {
                job,
                class: self.class,
                reply_to: delivered.properties.reply_to().clone(),
                tries,
                acker: delivered.acker,
                turn: None,
                remedy: Remedy::Suspect,
            };
            // No more at a time than the prefetch.
            self.remedies.spawn(loss.remedy(self.replier.clone()));
            return Ok(None);
        }
        let redelivered = delivered.redelivered || Tries::noted(&delivered.properties).is_some();
        let place = Place::Jobs(self.class);
        let settle = TaggedJob::new(job.id, place, tries, delivered, self.replier.clone());
        let hold = self.cancellations.hold(job.id);
        Ok(Some(Delivery::new(
            job,
            self.class,
            redelivered,
            hold,
            Box::new(settle),
        )))
    }
}

/// The job in what `queue` has delivered. What cannot be read as one goes to the dead letters.
pub(super) async fn job_in(
    delivered: &lapin::message::Delivery,
    queue: &'static str,
) -> Result<Option<Job>, QueueError> {
    match decode::<Job>(&delivered.data) {
        Ok(job) => Ok(Some(job)),
        Err(problem) => {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                queue,
                %problem,
                "message cannot be read as a job; moved to warren.jobs.dead"
            );
            settle(&delivered.acker, Settlement::Reject).await?;
            Ok(None)
        }
    }
}

/// Gives a job back that nobody takes.
async fn hand_back(offer: Offer) {
    let Some(delivery) = offer.into_job() else {
        return;
    };
    let job = delivery.job.id;
    if let Err(error) = delivery.requeue().await {
        tracing::debug!(job.id = %job, %error, "job was lost with its connection");
    }
}
