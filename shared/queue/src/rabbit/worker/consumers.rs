//! The worker's consumers, from their queues into the worker's stream: jobs and suspects' tokens.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::future::try_join_all;
use lapin::Channel;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_protocol::ids::InstanceId;

use super::colleagues::Colleagues;
use super::delivery::AmqpDelivery;
use super::doubt::MAX_DOUBTS;
use super::failed::{Disposition, FailedDelivery};
use super::held_jobs::{Carried, Company};
use super::isolation::{Suspects, TokenConsumer};
use crate::cancellations::Cancellations;
use crate::rabbit::broadcast::cancellations::CancellationListener;
use crate::rabbit::link::config::Patience;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::subscription::{SingleSubscription, Subscription, cancel, consume};
use crate::rabbit::link::supervisor::{Built, Unit};
use crate::rabbit::publish::Replier;
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::lanes::LANES;
use crate::rabbit::wire::message::job_in;
use crate::rabbit::wire::settlement::{Settlement, settle};
use crate::rabbit::wire::topology::{INTERACTIVE_JOBS, class_in};
use crate::rabbit::wire::tries::{Tries, came_back};
use crate::{Delivery, JobClass, Offer, Prefetch, QueueError};

/// The purpose of the connection.
const PURPOSE: &str = "consume jobs";

/// The unit that consumes jobs.
pub(crate) struct JobConsumers {
    pub(crate) instance: InstanceId,
    pub(crate) subscriber: SingleSubscription<Offer, Prefetch>,
    pub(crate) cancellations: Arc<Cancellations>,
    pub(crate) replier: Replier,
    pub(crate) colleagues: Arc<Colleagues>,
    pub(crate) patience: Patience,
}

impl Unit for JobConsumers {
    type Session = Arc<Connected>;

    fn purpose(&self) -> &'static str {
        PURPOSE
    }

    fn build<'a>(
        &'a self,
        connected: &'a Arc<Connected>,
        number: u64,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Built<Arc<Connected>>, QueueError>> {
        Box::pin(async move {
            // First, so that no cancellation of a job that arrives is missed.
            let (instance, register) = (&self.instance, &self.cancellations);
            let listener =
                CancellationListener::begin(connected, instance, number, register).await?;
            // A quorum queue's prefetch applies only to a whole channel.
            let mut pumps = vec![self.pump(INTERACTIVE_JOBS, connected.lasting_channel().await?)];
            for lane in LANES {
                pumps.push(self.pump(lane, connected.lasting_channel().await?));
            }
            let tokens = TokenConsumer {
                suspects: Suspects {
                    connected: Arc::clone(connected),
                    channel: connected.lasting_channel().await?,
                    replier: self.replier.clone(),
                    cancellations: Arc::clone(&self.cancellations),
                    colleagues: Arc::clone(&self.colleagues),
                    patience: self.patience,
                    doubts: Arc::new(Semaphore::new(MAX_DOUBTS)),
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
                            Box::pin(tokens.run(subscription.clone()))
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
            let (colleagues, listening) = (Arc::clone(&self.colleagues), Arc::clone(connected));
            let work = async move {
                tokio::select! {
                    biased;
                    lost = taking => lost,
                    lost = listener.run() => lost,
                    never = colleagues.listen(&listening, number) => never,
                }
            };
            Ok(Built {
                session: Arc::clone(connected),
                work: Box::pin(work),
            })
        })
    }
}

impl JobConsumers {
    fn pump(&self, queue: &'static str, channel: Channel) -> Pump {
        Pump {
            queue,
            class: class_in(queue),
            channel,
            tag: self.instance.as_str().to_owned(),
            cancellations: Arc::clone(&self.cancellations),
            replier: self.replier.clone(),
            colleagues: Arc::clone(&self.colleagues),
            subscriptions: 0,
            disposals: TaskTracker::new(),
        }
    }
}

/// A pump that passes the jobs of one queue into the stream.
struct Pump {
    queue: &'static str,
    class: JobClass,
    channel: Channel,
    tag: String,
    cancellations: Arc<Cancellations>,
    replier: Replier,
    colleagues: Arc<Colleagues>,
    subscriptions: u64,
    disposals: TaskTracker,
}

impl Pump {
    /// Passes jobs on until the subscription ends.
    async fn run(&mut self, subscription: Subscription<Offer, Prefetch>) -> Result<(), QueueError> {
        let queue = self.queue;
        let prefetch = subscription.prefetch.0.get();
        self.disposals.reopen();
        self.subscriptions += 1;
        // A quorum queue remembers a consumer until its last job is settled, by its tag.
        let tag = match self.subscriptions {
            1 => self.tag.clone(),
            again => format!("{}-{again}", self.tag),
        };
        let mut consumer = consume(&self.channel, queue, &tag, prefetch).await?;
        while let Some(delivered) = subscription.next_of(&mut consumer, queue, PURPOSE).await? {
            if let Some(delivery) = self.receive(delivered).await? {
                // Never waits on this connection, since no more than the prefetch are unsettled;
                // jobs that an earlier connection brought may still be in the way.
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
        // The stream ends for its reader once the last sender is dropped.
        drop(subscription);
        self.disposals.close();
        self.disposals.wait().await;
        Ok(())
    }

    /// Returns the job in `delivered`, if it is to be run as it came.
    async fn receive(
        &self,
        delivered: lapin::message::Delivery,
    ) -> Result<Option<Delivery>, QueueError> {
        let Some(job) = job_in(&delivered, self.queue).await? else {
            return Ok(None);
        };
        let came_back = came_back(&delivered);
        let redelivered = came_back || Tries::noted(&delivered.properties).is_some();
        if redelivered && self.colleagues.claims.answered(job.id) {
            settle(&delivered.acker, Settlement::Ack).await?;
            return Ok(None);
        }
        let tries = Tries::before(&delivered);
        let carried = Carried {
            message: HeldMessage::new(delivered.acker),
            token: None,
            reply_to: delivered.properties.reply_to().clone(),
        };
        // Its run goes on here, or its reply waits for a connection: that settles this message.
        let Some(carried) = self.colleagues.held.adopt(job.id, carried) else {
            tracing::info!(job.id = %job.id, "a job came back to the worker that still has it");
            return Ok(None);
        };
        // A job whose deadline has passed is left to the reader of the stream, which puts it aside.
        if !job.deadline.has_passed() && came_back {
            let failed = FailedDelivery {
                job,
                class: self.class,
                reply_to: carried.reply_to,
                tries: tries.one_more(),
                message: carried.message,
                token: None,
                disposition: Disposition::Suspect,
            };
            // Bounded by the prefetch.
            self.disposals.spawn(failed.dispose(self.replier.clone()));
            return Ok(None);
        }
        let held = self.colleagues.held.hold(job.id, Company::Others, carried);
        let (replier, colleagues) = (self.replier.clone(), Arc::clone(&self.colleagues));
        let settle = AmqpDelivery::new(held, self.class, tries, replier, colleagues);
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

/// Gives back a job that was not taken.
async fn hand_back(offer: Offer) {
    let Some(delivery) = offer.into_job() else {
        return;
    };
    let job = delivery.job.id;
    if let Err(error) = delivery.requeue().await {
        tracing::debug!(job.id = %job, %error, "a job was lost with its connection; it is delivered again");
    }
}
