//! Workers' presence on RabbitMQ: announced to an exchange that copies to every API, and received
//! through a queue apart from the replies', so that neither can get into the other's way.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Consumer};

use super::connected::Connected;
use super::message::encode;
use super::publisher::{Message, Publisher};
use super::supervisor::Link;
use super::topology::{PRESENCE, declare_presence_queue};
use crate::presence::{ANNOUNCE_EVERY, WorkerStatus};
use crate::queue::QueueError;
use crate::queue::roll::Roll;

/// How long an announcement may take. The next one is due then.
const ANNOUNCE_TIMEOUT: Duration = ANNOUNCE_EVERY;
/// How long the broker keeps one for an API that does not take it, in milliseconds.
const EXPIRATION_MS: &str = "5000";
/// The pause before a lost consumer is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells every API how this worker is; says nothing if that cannot be done now.
pub(super) async fn announce(publisher: &Link<Publisher>, status: &WorkerStatus) {
    if let Err(error) = try_announce(publisher, status).await {
        tracing::debug!(%error, "this worker could not announce itself");
    }
}

async fn try_announce(
    publisher: &Link<Publisher>,
    status: &WorkerStatus,
) -> Result<(), QueueError> {
    let Ok(body) = encode(status) else {
        return Err(QueueError::Refused(PRESENCE));
    };
    let message = Message {
        exchange: PRESENCE,
        routing_key: "",
        properties: BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(1)
            .with_expiration(EXPIRATION_MS.into())
            .with_type("warren.presence".into()),
        body: &body,
    };
    // Returned is fine as well: there is no API that could be told.
    publisher.now()?.publish(message, ANNOUNCE_TIMEOUT).await?;
    Ok(())
}

/// Keeps `roll` by what workers announce, for as long as the connection stands. Whatever goes wrong
/// here must not cost the callers who wait on the same connection: it is tried again.
pub(super) async fn listen(connected: &Connected, name: &str, roll: &Roll) -> ! {
    loop {
        match subscribe(connected, name).await {
            Ok(consumer) => take(consumer, roll).await,
            Err(error) => tracing::warn!(%error, "cannot hear of workers; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn subscribe(connected: &Connected, name: &str) -> Result<Consumer, QueueError> {
    let channel = connected.channel().await?;
    declare_presence_queue(&channel, name).await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(name.into(), "".into(), options, FieldTable::default())
        .await
        .map_err(QueueError::while_doing("consume the presence queue"))
}

async fn take(mut consumer: Consumer, roll: &Roll) {
    while let Some(Ok(delivered)) = consumer.next().await {
        if let Some(status) = read(&delivered) {
            roll.heard(status, Instant::now());
        }
    }
}

fn read(delivered: &Delivery) -> Option<WorkerStatus> {
    let status: WorkerStatus = serde_json::from_slice(&delivered.data)
        .inspect_err(|error| tracing::debug!(%error, "an announcement cannot be read"))
        .ok()?;
    (status.version == WorkerStatus::VERSION).then_some(status)
}

/// The name of an API's queue for presence, beside its reply queue.
pub(super) fn queue_name(instance: &str, number: u64) -> String {
    format!("{PRESENCE}.{instance}.{number}")
}
