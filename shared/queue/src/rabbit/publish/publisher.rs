//! Publishing with confirms over a bounded number of channels, one message on each.
//!
//! One at a time, because the library attributes a returned message to whichever confirm of the
//! channel comes next: with several under way, a reply that was returned could count as delivered,
//! and be lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::QueueError;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::{Built, Unit};
use crate::rabbit::wire::message::correlation;
use crate::rabbit::wire::topology::{EXCHANGE, MAX_MESSAGE};

/// How many messages may be on their way at a time. The broker writes to disk for those of many
/// channels at once, so this, over the time of one write, is the throughput.
const CHANNELS: usize = 32;
/// The broker announces that it blocks us while it takes one more message, whose confirm comes right
/// after. Later messages stay unread until its alarm is over.
const LAST_CONFIRMS: Duration = Duration::from_millis(50);
/// The interval at which an idle connection publishes something, since the broker notifies only
/// publishers of its alarm.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The name of no queue: the broker drops what is sent to it.
const PROBE_KEY: &str = "warren.nowhere";

/// A message and where it goes.
pub(crate) struct Message<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) properties: BasicProperties,
    pub(crate) body: &'a [u8],
}

/// A message for one of the durable queues, by way of [`EXCHANGE`].
pub(crate) struct QueueMessage<'a> {
    pub(crate) queue: &'static str,
    pub(crate) properties: BasicProperties,
    pub(crate) body: &'a [u8],
}

impl<'a> QueueMessage<'a> {
    /// The message with its route.
    pub(crate) fn routed(&self) -> Message<'a> {
        Message {
            exchange: EXCHANGE,
            routing_key: self.queue,
            properties: self.properties.clone(),
            body: self.body,
        }
    }

    /// Whether the queue has the message. If the queue is gone, `connected` is given up.
    pub(crate) fn queued(
        &self,
        published: Published,
        connected: &Connected,
    ) -> Result<(), PublishError> {
        match published {
            Published::Confirmed => Ok(()),
            Published::Refused => Err(PublishError::NotSent(QueueError::Refused(self.queue))),
            Published::Returned => {
                // The queue or its binding was deleted. Rebuilding the connection declares both.
                tracing::error!(
                    job.id = correlation(&self.properties),
                    queue = self.queue,
                    "queue or binding is missing; reconnecting to declare it again"
                );
                connected.give_up(QueueError::Disconnected);
                Err(PublishError::NotSent(QueueError::Disconnected))
            }
        }
    }
}

/// What the broker made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is in its queue.
    Confirmed,
    /// Its queue takes no more.
    Refused,
    /// No queue takes messages with its routing key.
    Returned,
}

/// A message that is not known to be queued.
#[derive(Debug)]
pub(crate) enum PublishError {
    /// No queue has it: nothing was sent, or the broker took none of it.
    NotSent(QueueError),
    /// It was sent, at least in part.
    Unconfirmed(QueueError),
}

/// For callers to whom both are the same.
impl From<PublishError> for QueueError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotSent(error) | PublishError::Unconfirmed(error) => error,
        }
    }
}

/// A connection to publish on.
pub(crate) struct Publisher {
    connected: Arc<Connected>,
    permits: Semaphore,
    idle: Mutex<Vec<Channel>>,
}

impl Publisher {
    pub(crate) fn connected(&self) -> &Connected {
        &self.connected
    }

    /// Publishes `message` and waits until the broker confirms, refuses or returns it.
    pub(crate) async fn publish(
        &self,
        message: Message<'_>,
        within: Duration,
    ) -> Result<Published, PublishError> {
        let publishing = publish_on(&self.connected, self.channel(), message, within);
        let (channel, published) = publishing.await?;
        channel.keep();
        Ok(published)
    }

    /// Publishes to a durable queue and waits until the broker has it.
    pub(crate) async fn to_queue(
        &self,
        message: QueueMessage<'_>,
        within: Duration,
    ) -> Result<(), PublishError> {
        let published = self.publish(message.routed(), within).await?;
        message.queued(published, &self.connected)
    }

    async fn channel(&self) -> Result<ConfirmChannel<'_>, QueueError> {
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|_closed| QueueError::Closed)?;
        let idle = self.idle().pop();
        let channel = match idle {
            Some(channel) => channel,
            None => confirming(self.connected.channel().await?).await?,
        };
        Ok(ConfirmChannel {
            publisher: self,
            channel,
            _permit: permit,
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_size(body: &[u8]) -> Result<(), QueueError> {
    if body.len() > MAX_MESSAGE.as_len() {
        return Err(QueueError::TooLarge {
            bytes: body.len(),
            limit: MAX_MESSAGE.get(),
        });
    }
    Ok(())
}

const TIMED_OUT: QueueError = QueueError::TimedOut {
    context: "publishing",
};

/// A channel with nothing under way. It is used again only if its message was settled: otherwise
/// a late confirm could be taken for the next message's.
struct ConfirmChannel<'a> {
    publisher: &'a Publisher,
    channel: Channel,
    _permit: SemaphorePermit<'a>,
}

impl AsRef<Channel> for ConfirmChannel<'_> {
    fn as_ref(&self) -> &Channel {
        &self.channel
    }
}

impl ConfirmChannel<'_> {
    fn keep(self) {
        self.publisher.idle().push(self.channel.clone());
    }
}

/// Publishes on the channel that `opening` resolves to, which is fit for another message only if the
/// result has it. `connected` is the supervised connection to the same broker: its alarm holds for
/// all connections.
pub(crate) async fn publish_on<L: AsRef<Channel>>(
    connected: &Connected,
    opening: impl Future<Output = Result<L, QueueError>>,
    message: Message<'_>,
    within: Duration,
) -> Result<(L, Published), PublishError> {
    let deadline = Instant::now() + within;
    check_size(message.body).map_err(PublishError::NotSent)?;
    connected
        .check_publishable()
        .map_err(PublishError::NotSent)?;
    let channel = tokio::select! {
        channel = timeout_at(deadline, opening) => channel
            .map_err(|_elapsed| PublishError::NotSent(TIMED_OUT))?
            .map_err(PublishError::NotSent)?,
        () = connected.until_blocked() => {
            return Err(PublishError::NotSent(QueueError::Blocked));
        }
    };
    let confirmation = tokio::select! {
        biased;
        sent = timeout_at(deadline, send(channel.as_ref(), message)) => {
            sent.map_err(|_elapsed| PublishError::Unconfirmed(TIMED_OUT))??
        }
        // Part of it may be under way, and what is with us goes out when the alarm is over.
        () = long_blocked(connected) => {
            return Err(PublishError::Unconfirmed(QueueError::Blocked));
        }
    };
    let published = match confirmation {
        Confirmation::Ack(None) => Published::Confirmed,
        Confirmation::Ack(Some(_)) => Published::Returned,
        Confirmation::Nack(_) => Published::Refused,
        Confirmation::NotRequested => {
            tracing::error!("bug: published on a channel without confirms");
            return Err(PublishError::Unconfirmed(TIMED_OUT));
        }
    };
    Ok((channel, published))
}

async fn long_blocked(connected: &Connected) {
    connected.until_blocked().await;
    tokio::time::sleep(LAST_CONFIRMS).await;
}

/// Switches `channel` to publisher confirms.
pub(crate) async fn confirming(channel: Channel) -> Result<Channel, QueueError> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .map_err(QueueError::while_doing("ask for publisher confirms"))?;
    Ok(channel)
}

async fn send(channel: &Channel, message: Message<'_>) -> Result<Confirmation, PublishError> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let confirm = channel
        .basic_publish(
            message.exchange.into(),
            message.routing_key.into(),
            options,
            message.body,
            message.properties,
        )
        .await
        // The library resolves this once the last frame is written, so an error here means that
        // the broker cannot have seen the whole message.
        .map_err(QueueError::while_doing("publish"))
        .map_err(PublishError::NotSent)?;
    confirm
        .await
        .map_err(QueueError::while_doing("learn whether a message arrived"))
        .map_err(PublishError::Unconfirmed)
}

/// The unit that publishes.
pub(crate) struct PublishingUnit;

impl Unit for PublishingUnit {
    type Session = Publisher;

    fn purpose(&self) -> &'static str {
        "publish"
    }

    fn build<'a>(
        &'a self,
        connected: &'a Arc<Connected>,
        _number: u64,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Built<Publisher>, QueueError>> {
        Box::pin(async move {
            let first = confirming(connected.channel().await?).await?;
            let (stop, probed) = (stop.clone(), Arc::clone(connected));
            Ok(Built {
                session: Publisher {
                    connected: Arc::clone(connected),
                    permits: Semaphore::new(CHANNELS),
                    idle: Mutex::new(vec![first]),
                },
                work: Box::pin(async move {
                    tokio::select! {
                        () = stop.cancelled() => QueueError::Closed,
                        error = probe(&probed) => error,
                    }
                }),
            })
        })
    }
}

/// Publishes to nowhere at intervals, as long as that can be done: only so does the broker notify an
/// idle API, and its health, of an alarm.
async fn probe(connected: &Connected) -> QueueError {
    let channel = match connected.lasting_channel().await {
        Ok(channel) => channel,
        Err(error) => return error,
    };
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        if connected.check_publishable().is_err() {
            // Blocked, or lost, which others notice.
            continue;
        }
        let published = channel.basic_publish(
            EXCHANGE.into(),
            PROBE_KEY.into(),
            BasicPublishOptions::default(),
            &[],
            BasicProperties::default(),
        );
        if let Err(error) = published.await {
            return QueueError::while_doing("probe the connection")(error);
        }
    }
}
