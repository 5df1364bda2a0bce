//! Callbacks on RabbitMQ: a durable queue, one more for each pause after which they come back to it,
//! and the API's consumer, on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::{Acker, Channel};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::connected::Connected;
use super::message::{callback_properties, correlation, decode, encode};
use super::pool::PooledPublisher;
use super::publisher::QueueMessage;
use super::streams::{Slot, Subscription, cancel, consume};
use super::supervisor::{Built, Unit};
use super::tags::{Settlement, settle};
use super::topology::{CALLBACK_RETRIES, CALLBACKS};
use crate::callback::CALLBACK_RETURN;
use crate::{Callback, CallbackDelivery, QueueError, SettleCallback};
use warren_protocol::ids::InstanceId;
use warren_protocol::time::millis;

/// How long the broker may take to confirm a callback.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);

/// When a callback comes to whoever posts it.
#[derive(Clone, Copy)]
pub(super) enum Due {
    Now,
    After(Duration),
}

/// The queue for callbacks that are to come back after that pause: the one with the shortest pauses
/// that are not shorter.
fn retry_queue(pause: Duration) -> &'static str {
    let pause = i64::try_from(millis(pause)).unwrap_or(i64::MAX);
    let [.., (longest, _)] = CALLBACK_RETRIES;
    let fitting = CALLBACK_RETRIES.iter().find(|(_, up_to)| pause <= *up_to);
    fitting.map_or(longest, |(name, _)| *name)
}

/// Queues a callback; `Ok` once it would survive the broker's restart.
pub(super) async fn queue(
    publisher: &PooledPublisher,
    callback: &Callback,
    due: Due,
) -> Result<(), QueueError> {
    let (queue, pause) = match due {
        Due::Now => (CALLBACKS, None),
        Due::After(pause) => (retry_queue(pause), Some(pause)),
    };
    let body = encode(callback).map_err(|error| {
        tracing::error!(job.id = %callback.job, %error, "callback cannot be written as JSON");
        QueueError::Refused(queue)
    })?;
    let message = QueueMessage {
        queue,
        properties: callback_properties(callback.job, pause),
        body: &body,
    };
    publisher.to_queue(message, CONFIRM_TIMEOUT).await?;
    Ok(())
}

/// The unit that consumes callbacks.
pub(super) struct Calling {
    pub(super) instance: InstanceId,
    pub(super) poster: Slot<CallbackDelivery>,
    pub(super) publisher: PooledPublisher,
}

#[async_trait]
impl Unit for Calling {
    type Session = ();
    const PURPOSE: &'static str = "consume callbacks";

    async fn build(
        &self,
        connected: &Arc<Connected>,
        _number: u64,
        stop: &CancellationToken,
    ) -> Result<Built<()>, QueueError> {
        let channel = connected.lasting_channel().await?;
        let tag = self.instance.as_str().to_owned();
        let (poster, publisher, stop) = (self.poster.clone(), self.publisher.clone(), stop.clone());
        let work = async move {
            let posting = async {
                let subscription = poster.subscribed().await;
                pass_on(&channel, &tag, subscription, publisher).await
            };
            if let Some(Err(error)) = stop.run_until_cancelled(posting).await {
                return error;
            }
            stop.cancelled().await;
            QueueError::Closed
        };
        Ok(Built {
            session: (),
            work: Box::pin(work),
        })
    }
}

/// Passes callbacks to the poster until its subscription ends.
async fn pass_on(
    channel: &Channel,
    tag: &str,
    subscription: Subscription<CallbackDelivery>,
    publisher: PooledPublisher,
) -> Result<(), QueueError> {
    let mut consumer = consume(channel, CALLBACKS, tag, subscription.prefetch).await?;
    while let Some(delivered) = subscription
        .next_of(&mut consumer, CALLBACKS, "consume callbacks")
        .await?
    {
        let callback: Callback = match decode(&delivered.data) {
            Ok(callback) => callback,
            Err(problem) => {
                tracing::error!(
                    job.id = correlation(&delivered.properties),
                    bytes = delivered.data.len(),
                    %problem,
                    "callback cannot be read; dropped"
                );
                settle(&delivered.acker, Settlement::Reject).await?;
                continue;
            }
        };
        let tagged = Tagged {
            acker: Some(delivered.acker),
            publisher: publisher.clone(),
            runtime: Handle::current(),
        };
        let delivery = CallbackDelivery::new(callback, Box::new(tagged));
        drop(subscription.sender.send(delivery).await);
    }
    for delivered in cancel(channel, consumer).await? {
        settle(&delivered.acker, Settlement::Requeue).await?;
    }
    Ok(())
}

/// A callback by its delivery tag. Dropped unsettled, it comes again.
struct Tagged {
    acker: Option<Acker>,
    publisher: PooledPublisher,
    // It may be dropped outside of the runtime.
    runtime: Handle,
}

#[async_trait]
impl SettleCallback for Tagged {
    fn is_ours(&self) -> bool {
        self.acker.as_ref().is_some_and(Acker::usable)
    }

    async fn done(mut self: Box<Self>) -> Result<(), QueueError> {
        match self.acker.take() {
            Some(acker) => settle(&acker, Settlement::Ack).await,
            None => Ok(()),
        }
    }

    // Dropped on an error, and so comes again.
    async fn again(self: Box<Self>, next: Callback, after: Duration) -> Result<(), QueueError> {
        queue(&self.publisher, &next, Due::After(after)).await?;
        self.done().await
    }
}

impl Drop for Tagged {
    fn drop(&mut self) {
        let Some(acker) = self.acker.take() else {
            return;
        };
        // No more at a time than the prefetch.
        self.runtime.spawn(async move {
            tokio::time::sleep(CALLBACK_RETURN).await;
            if let Err(error) = settle(&acker, Settlement::Requeue).await {
                tracing::debug!(%error, "callback comes again, since its connection is lost");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LONGEST_CALLBACK_PAUSE;

    #[test]
    fn a_pause_has_the_queue_of_the_next_longer_one() {
        for (seconds, level) in [
            (0, 1),
            (5, 1),
            (6, 2),
            (30, 2),
            (120, 3),
            (600, 4),
            (601, 5),
        ] {
            let queue = retry_queue(Duration::from_secs(seconds));
            assert_eq!(queue, CALLBACK_RETRIES[level - 1].0, "{seconds}");
        }
        let [.., (longest, pause)] = CALLBACK_RETRIES;
        assert_eq!(retry_queue(LONGEST_CALLBACK_PAUSE), longest);
        assert_eq!(
            u128::from(pause.unsigned_abs()),
            LONGEST_CALLBACK_PAUSE.as_millis()
        );
    }
}
