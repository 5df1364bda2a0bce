//! A consumer of one durable queue for one subscriber, on a connection of its own.
//!
//! A subscriber that is stuck for long makes the broker close the channel, which must not cost the
//! waiters their reply queue.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use lapin::Channel;
use lapin::message::Delivery;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;

use crate::QueueError;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::subscription::{SingleSubscription, Subscription, cancel, consume};
use crate::rabbit::link::supervisor::{Built, Unit};
use crate::rabbit::wire::settlement::{Settlement, settle};

/// A feed that passes a queue's deliveries on to its subscriber.
pub(crate) struct Feed<T> {
    pub(crate) queue: &'static str,
    /// Its [`Unit::purpose`], also the operation that fails with the connection.
    pub(crate) purpose: &'static str,
    pub(crate) instance: InstanceId,
    pub(crate) subscriber: SingleSubscription<T>,
    pub(crate) receive: Receive<T>,
}

/// A function that turns a message into what the subscriber takes; `None` (and a line in the log)
/// if the message cannot be read, which puts it aside.
pub(crate) type Receive<T> = Arc<dyn Fn(&Delivery) -> Option<T> + Send + Sync>;

impl<T: Send + 'static> Unit for Feed<T> {
    type Session = ();

    fn purpose(&self) -> &'static str {
        self.purpose
    }

    fn build<'a>(
        &'a self,
        connected: &'a Arc<Connected>,
        _number: u64,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Built<()>, QueueError>> {
        Box::pin(async move {
            let channel = connected.lasting_channel().await?;
            let (feed, stop) = (
                Self {
                    receive: Arc::clone(&self.receive),
                    subscriber: self.subscriber.clone(),
                    instance: self.instance.clone(),
                    ..*self
                },
                stop.clone(),
            );
            let work = async move {
                let feeding = async {
                    let subscription = feed.subscriber.subscribed().await;
                    feed.pass_on(&channel, subscription).await
                };
                if let Some(Err(error)) = stop.run_until_cancelled(feeding).await {
                    return error;
                }
                stop.cancelled().await;
                QueueError::Closed
            };
            Ok(Built {
                session: (),
                work: Box::pin(work),
            })
        })
    }
}

impl<T: Send + 'static> Feed<T> {
    /// Passes messages on until the subscription ends.
    async fn pass_on(
        &self,
        channel: &Channel,
        subscription: Subscription<T>,
    ) -> Result<(), QueueError> {
        let tag = self.instance.as_str();
        let mut consumer = consume(channel, self.queue, tag, subscription.prefetch).await?;
        while let Some(delivered) = subscription
            .next_of(&mut consumer, self.queue, self.purpose)
            .await?
        {
            match (self.receive)(&delivered) {
                None => settle(&delivered.acker, Settlement::Reject).await?,
                // A message that is not taken goes back by being dropped.
                Some(message) => drop(subscription.sender.send(message).await),
            }
        }
        for delivered in cancel(channel, consumer).await? {
            settle(&delivered.acker, Settlement::Requeue).await?;
        }
        Ok(())
    }
}
