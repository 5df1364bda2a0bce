//! Best-effort publishing to every API, through exchanges that copy to a queue of each.
//!
//! These queues are separate from the reply queues, so that neither can obstruct the other.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Consumer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::QueueError;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::{Message, Publisher};
use crate::rabbit::wire::message::encode;
use crate::rabbit::wire::own_queues::OwnQueue;

/// The time for which the broker keeps a message for an API that does not take it, in milliseconds.
const EXPIRATION_MS: &str = "5000";
/// The pause before a lost consumer is declared again.
const PAUSE: Duration = Duration::from_secs(1);

/// One exchange that copies to every API.
pub(crate) struct Fanout {
    pub(crate) exchange: &'static str,
    /// The type of its messages.
    pub(crate) kind: &'static str,
    /// The subject of the messages, for logs.
    pub(crate) about: &'static str,
    /// The queue of one API.
    pub(crate) queue: OwnQueue,
}

impl Fanout {
    /// Publishes to every API.
    pub(crate) async fn publish(
        &self,
        publisher: &Link<Publisher>,
        message: &impl Serialize,
        within: Duration,
    ) -> Result<(), QueueError> {
        let Ok(body) = encode(message) else {
            return Err(QueueError::Refused(self.exchange));
        };
        let message = Message {
            exchange: self.exchange,
            routing_key: "",
            properties: BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(1)
                .with_expiration(EXPIRATION_MS.into())
                .with_type(self.kind.into()),
            body: &body,
        };
        // A returned message is fine as well: there is no API to reach.
        publisher.now()?.publish(message, within).await?;
        Ok(())
    }

    /// Passes messages on for as long as the connection is up. A failure here is retried, because
    /// it must not affect the callers who wait on the same connection.
    pub(crate) async fn listen<T: DeserializeOwned>(
        &self,
        connected: &Connected,
        name: &str,
        receive: impl Fn(T),
    ) -> ! {
        loop {
            match self.subscribe(connected, name).await {
                Ok(consumer) => self.take(consumer, &receive).await,
                Err(error) => {
                    tracing::warn!(%error, about = self.about, "cannot subscribe; retrying");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the name of an API's queue, next to its reply queue.
    pub(crate) fn queue_name(&self, instance: &str, number: u64) -> String {
        format!("{}.{instance}.{number}", self.exchange)
    }

    async fn subscribe(&self, connected: &Connected, name: &str) -> Result<Consumer, QueueError> {
        let channel = connected.channel().await?;
        self.queue.declare(&channel, name).await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        channel
            .basic_consume(name.into(), "".into(), options, FieldTable::default())
            .await
            .map_err(QueueError::while_doing("consume a queue of broadcasts"))
    }

    async fn take<T: DeserializeOwned>(&self, mut consumer: Consumer, receive: &impl Fn(T)) {
        while let Some(Ok(delivered)) = consumer.next().await {
            match serde_json::from_slice(&delivered.data) {
                Ok(message) => receive(message),
                Err(error) => {
                    tracing::debug!(%error, about = self.about, "cannot read a message; ignored");
                }
            }
        }
    }
}
