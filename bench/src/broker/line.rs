//! One queue for jobs, one for replies, and both their ends.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer};
use tokio::time::timeout;
use warren_protocol::ids::JobId;

use super::figures::{Broker, MESSAGE, QueueKind, Times};
use crate::statistics::Summary;

/// The longest that the broker may take for any operation.
pub const ANSWER: Duration = Duration::from_secs(10);
/// The delivery mode that survives a restart of the broker, as Warren's messages do.
const PERSISTENT: u8 = 2;
/// The time after which the broker removes a queue that a killed benchmark left behind.
const EXPIRES_MS: i64 = 10 * 60 * 1000;

/// A pair of queues, one for jobs and one for replies, with both their ends.
pub struct Line {
    kind: QueueKind,
    /// Publishes jobs.
    pub caller: Publisher,
    /// Publishes replies.
    pub worker: Publisher,
    /// Jobs, as the worker receives them.
    pub jobs: Consumer,
    /// Replies, as the caller receives them.
    pub replies: Consumer,
    /// The times of the round trips.
    pub times: Vec<Times>,
}

/// A channel that publishes to a queue, with confirms.
pub struct Publisher {
    channel: Channel,
    queue: String,
}

impl Line {
    /// Declares the queues and opens both ends.
    pub async fn open(
        kind: QueueKind,
        caller: &Connection,
        worker: &Connection,
    ) -> anyhow::Result<Self> {
        let name = format!("warren.bench.{}.{}", kind.name(), JobId::new());
        let replies_name = format!("{name}.replies");
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let replies = channel(caller).await?;
        replies
            .queue_declare(replies_name.as_str().into(), options, FieldTable::default())
            .await
            .context("cannot declare a queue")?;
        let replies = consume(&replies, &replies_name).await?;

        let mut arguments = FieldTable::default();
        arguments.insert(
            "x-queue-type".into(),
            AMQPValue::LongString(kind.name().into()),
        );
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(EXPIRES_MS));
        let jobs = channel(worker).await?;
        jobs.queue_declare(
            name.as_str().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await
        .context("cannot declare a queue")?;
        let jobs = consume(&jobs, &name).await?;
        Ok(Self {
            kind,
            caller: Publisher::open(caller, name).await?,
            worker: Publisher::open(worker, replies_name).await?,
            jobs,
            replies,
            times: Vec::new(),
        })
    }

    /// Deletes the queue of jobs; that of replies ends with its connection.
    pub async fn remove(&self) {
        let Publisher { channel, queue } = &self.caller;
        drop(
            timeout(
                ANSWER,
                channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()),
            )
            .await,
        );
    }

    /// Summarises the measurements.
    pub fn sum_up(&self) -> Broker {
        let each = |part: fn(&Times) -> Duration| {
            Summary::of(&self.times.iter().map(part).collect::<Vec<_>>())
        };
        Broker {
            queue: self.kind,
            message_bytes: MESSAGE,
            delivery: each(|times| times.delivery),
            confirm: each(|times| times.confirm),
            round_trip: each(|times| times.round_trip),
        }
    }
}

impl Publisher {
    async fn open(connection: &Connection, queue: String) -> anyhow::Result<Self> {
        let channel = channel(connection).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .context("cannot switch confirms on")?;
        Ok(Self { channel, queue })
    }

    /// Publishes a message and waits for the broker's confirm.
    pub async fn publish(&self) -> anyhow::Result<()> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let confirmation = self
            .channel
            .basic_publish(
                "".into(),
                self.queue.as_str().into(),
                options,
                &[b'x'; MESSAGE],
                properties,
            )
            .await?
            .await?;
        ensure!(
            matches!(confirmation, Confirmation::Ack(None)),
            "the broker did not take a message"
        );
        Ok(())
    }
}

/// Returns the next message of a stream.
pub async fn next(stream: &mut Consumer) -> anyhow::Result<Delivery> {
    Ok(stream
        .next()
        .await
        .context("the broker ended the stream")??)
}

async fn channel(connection: &Connection) -> anyhow::Result<Channel> {
    connection
        .create_channel()
        .await
        .context("cannot open a channel")
}

async fn consume(channel: &Channel, queue: &str) -> anyhow::Result<Consumer> {
    channel
        .basic_qos(1, BasicQosOptions::default())
        .await
        .context("cannot set the prefetch")?;
    channel
        .basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .context("cannot start a consumer")
}
