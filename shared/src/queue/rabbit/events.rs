//! Job events on RabbitMQ: told to an exchange that copies to every API, each of which hears them
//! through a queue apart from the replies'.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Consumer};

use super::connected::Connected;
use super::message::encode;
use super::publisher::{Message, Publisher};
use super::supervisor::Link;
use super::topology::{EVENTS, declare_event_queue};
use crate::event::{JobEvent, TELL_TIMEOUT};
use crate::queue::QueueError;
use crate::queue::bulletin::Bulletin;

/// How long the broker keeps one for an API that does not take it, in milliseconds.
const EXPIRATION_MS: &str = "5000";
/// The pause before a lost consumer is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells every API; says nothing if that cannot be done now.
pub(super) async fn tell(publisher: &Link<Publisher>, event: &JobEvent) {
    if let Err(error) = try_tell(publisher, event).await {
        tracing::debug!(job.id = %event.job_id, %error, "an event could not be told");
    }
}

async fn try_tell(publisher: &Link<Publisher>, event: &JobEvent) -> Result<(), QueueError> {
    let Ok(body) = encode(event) else {
        return Err(QueueError::Refused(EVENTS));
    };
    let message = Message {
        exchange: EVENTS,
        routing_key: "",
        properties: BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(1)
            .with_expiration(EXPIRATION_MS.into())
            .with_type("warren.event".into()),
        body: &body,
    };
    // Returned is fine as well: there is no API that could be told.
    publisher.now()?.publish(message, TELL_TIMEOUT).await?;
    Ok(())
}

/// Passes on what is told, for as long as the connection stands. As with presence, whatever goes
/// wrong here must not cost the callers who wait on the same connection: it is tried again.
pub(super) async fn listen(connected: &Connected, name: &str, events: &Bulletin) -> ! {
    loop {
        match subscribe(connected, name).await {
            Ok(consumer) => take(consumer, events).await,
            Err(error) => tracing::warn!(%error, "cannot hear of job events; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn subscribe(connected: &Connected, name: &str) -> Result<Consumer, QueueError> {
    let channel = connected.channel().await?;
    declare_event_queue(&channel, name).await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(name.into(), "".into(), options, FieldTable::default())
        .await
        .map_err(QueueError::while_doing("consume the queue of job events"))
}

async fn take(mut consumer: Consumer, events: &Bulletin) {
    while let Some(Ok(delivered)) = consumer.next().await {
        if let Some(event) = read(&delivered) {
            events.tell(event);
        }
    }
}

fn read(delivered: &Delivery) -> Option<JobEvent> {
    let event: JobEvent = serde_json::from_slice(&delivered.data)
        .inspect_err(|error| tracing::debug!(%error, "a job event cannot be read"))
        .ok()?;
    (event.version == JobEvent::VERSION).then_some(event)
}

/// The name of an API's queue for events, beside its reply queue.
pub(super) fn queue_name(instance: &str, number: u64) -> String {
    format!("{EVENTS}.{instance}.{number}")
}
