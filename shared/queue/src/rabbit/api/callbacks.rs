//! Callbacks on RabbitMQ: a durable queue, and one more for each pause before a retry.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::message::Delivery;
use warren_protocol::ids::InstanceId;
use warren_protocol::time::millis;

use super::feed::Feed;
use crate::callback::CALLBACK_RETURN;
use crate::rabbit::link::subscription::SingleSubscription;
use crate::rabbit::publish::{PooledPublisher, QueueMessage};
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::message::{callback_properties, correlation, decode, encode};
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::topology::{CALLBACK_RETRIES, CALLBACKS};
use crate::{Callback, CallbackDelivery, QueueError, SettleCallback};

/// The longest that the broker may take to confirm a callback.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);

/// The time at which a callback is delivered to be posted.
#[derive(Clone, Copy)]
pub(crate) enum Due {
    Now,
    After(Duration),
}

/// Returns the queue for callbacks that are retried after `pause`: the one with the shortest pause
/// that is not shorter.
fn retry_queue(pause: Duration) -> &'static str {
    let pause = i64::try_from(millis(pause)).unwrap_or(i64::MAX);
    let [.., (longest, _)] = CALLBACK_RETRIES;
    let fitting = CALLBACK_RETRIES.iter().find(|(_, up_to)| pause <= *up_to);
    fitting.map_or(longest, |(name, _)| *name)
}

/// Queues a callback; `Ok` once it would survive the broker's restart.
pub(crate) async fn queue(
    publisher: &PooledPublisher,
    callback: &Callback,
    due: Due,
) -> Result<(), QueueError> {
    let (queue, pause) = match due {
        Due::Now => (CALLBACKS, None),
        Due::After(pause) => (retry_queue(pause), Some(pause)),
    };
    let body = encode(callback).map_err(|error| {
        tracing::error!(job.id = %callback.job, %error, "failed to write a callback as JSON");
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

/// Creates a feed of callbacks to post, which are postponed through `publisher`.
pub(crate) fn feed(
    instance: InstanceId,
    subscriber: SingleSubscription<CallbackDelivery>,
    publisher: PooledPublisher,
) -> Feed<CallbackDelivery> {
    let receive = move |delivered: &Delivery| {
        let callback = read(delivered)?;
        let held = HeldCallback {
            message: HeldMessage::returning_after(delivered.acker.clone(), CALLBACK_RETURN),
            publisher: publisher.clone(),
        };
        Some(CallbackDelivery::new(callback, Box::new(held)))
    };
    Feed {
        queue: CALLBACKS,
        purpose: "consume callbacks",
        instance,
        subscriber,
        receive: Arc::new(receive),
    }
}

fn read(delivered: &Delivery) -> Option<Callback> {
    decode(&delivered.data)
        .inspect_err(|problem| {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                %problem,
                "cannot read a callback; dropped"
            );
        })
        .ok()
}

/// A callback as the broker delivered it.
struct HeldCallback {
    message: HeldMessage,
    publisher: PooledPublisher,
}

impl SettleCallback for HeldCallback {
    fn is_ours(&self) -> bool {
        self.message.is_ours()
    }

    fn done(self: Box<Self>) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(self.message.settle(Settlement::Ack))
    }

    // On an error the message is dropped, and so it is delivered again.
    fn again(
        self: Box<Self>,
        next: Callback,
        after: Duration,
    ) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(async move {
            queue(&self.publisher, &next, Due::After(after)).await?;
            self.done().await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LONGEST_CALLBACK_PAUSE;

    #[test]
    fn a_pause_uses_the_queue_of_the_next_longer_one() {
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
