//! News: what is told to an exchange that copies to every API, each of which hears it through a
//! queue apart from the replies', so that neither can get into the other's way. Best effort.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::encode;
use super::publisher::{Message, Publisher};
use super::supervisor::Link;
use crate::QueueError;

/// How long the broker keeps one for an API that does not take it, in milliseconds.
const EXPIRATION_MS: &str = "5000";
/// The pause before a lost consumer is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells whoever listens at `exchange` a message of this `kind`.
pub(super) async fn tell(
    publisher: &Link<Publisher>,
    (exchange, kind): (&'static str, &'static str),
    news: &impl Serialize,
    within: Duration,
) -> Result<(), QueueError> {
    let Ok(body) = encode(news) else {
        return Err(QueueError::Refused(exchange));
    };
    let message = Message {
        exchange,
        routing_key: "",
        properties: BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(1)
            .with_expiration(EXPIRATION_MS.into())
            .with_type(kind.into()),
        body: &body,
    };
    // Returned is fine as well: there is no API that could be told.
    publisher.now()?.publish(message, within).await?;
    Ok(())
}

/// Passes on what is told of `what`, for as long as the connection stands. Whatever goes wrong here
/// must not cost the callers who wait on the same connection: it is tried again.
pub(super) async fn listen<T, F>(
    what: &'static str,
    subscribe: impl Fn() -> F,
    heard: impl Fn(T),
) -> !
where
    T: DeserializeOwned,
    F: Future<Output = Result<Consumer, QueueError>>,
{
    loop {
        match subscribe().await {
            Ok(consumer) => take(what, consumer, &heard).await,
            Err(error) => tracing::warn!(%error, "cannot hear of {what}; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Consumes a queue of news; `context` says so, should it fail.
pub(super) async fn consume(
    channel: &Channel,
    name: &str,
    context: &'static str,
) -> Result<Consumer, QueueError> {
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(name.into(), "".into(), options, FieldTable::default())
        .await
        .map_err(QueueError::while_doing(context))
}

async fn take<T: DeserializeOwned>(what: &str, mut consumer: Consumer, heard: &impl Fn(T)) {
    while let Some(Ok(delivered)) = consumer.next().await {
        match serde_json::from_slice(&delivered.data) {
            Ok(news) => heard(news),
            Err(error) => tracing::debug!(%error, "a message about {what} cannot be read"),
        }
    }
}
