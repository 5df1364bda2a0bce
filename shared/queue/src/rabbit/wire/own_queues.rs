//! The queues that each process declares for itself, beside the shared topology.

use lapin::Channel;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use warren_protocol::event::MAX_EVENTS_BEHIND;

use super::topology::{Argument, CANCELLATIONS, CLAIMS, EVENTS, PRESENCE, REPLIES, table};
use crate::{MAX_QUEUED_JOBS, QueueError};

/// A queue that exists as long as its connection.
pub(crate) struct OwnQueue {
    /// The exchange whose messages it receives: all of them from a fanout one, and from
    /// [`REPLIES`] those with its name as their routing key.
    exchange: &'static str,
    arguments: &'static [(&'static str, Argument)],
    /// The operation that fails if it cannot be declared.
    declaring: &'static str,
}

/// The reply queue. It refuses what it cannot hold; the reply then goes to [`RESULTS`](super::topology::RESULTS).
pub(crate) const REPLY_QUEUE: OwnQueue = OwnQueue {
    exchange: REPLIES,
    arguments: &[
        ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
        ("x-overflow", Argument::Text("reject-publish")),
    ],
    declaring: "declare the reply queue",
};

/// The queue of cancellations. It drops the oldest, whose jobs are the next to expire.
pub(crate) const CANCELLATION_QUEUE: OwnQueue = OwnQueue {
    exchange: CANCELLATIONS,
    arguments: &[
        ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
        ("x-overflow", Argument::Text("drop-head")),
    ],
    declaring: "declare the queue of cancellations",
};

/// The queue of claims. They are repeated, so the newest matter.
pub(crate) const CLAIM_QUEUE: OwnQueue = OwnQueue {
    exchange: CLAIMS,
    arguments: &[
        ("x-max-length", Argument::Number(1024)),
        ("x-overflow", Argument::Text("drop-head")),
    ],
    declaring: "declare the queue of claims",
};

/// The queue of announcements. They are soon repeated: the newest matter, and not many.
pub(crate) const PRESENCE_QUEUE: OwnQueue = OwnQueue {
    exchange: PRESENCE,
    arguments: &[
        ("x-max-length", Argument::Number(1024)),
        ("x-overflow", Argument::Text("drop-head")),
    ],
    declaring: "declare the presence queue",
};

/// The queue of job events, which are also in the store: the newest matter.
pub(crate) const EVENT_QUEUE: OwnQueue = OwnQueue {
    exchange: EVENTS,
    arguments: &[
        ("x-max-length", Argument::Number(MAX_EVENTS_BEHIND as i64)),
        ("x-overflow", Argument::Text("drop-head")),
    ],
    declaring: "declare the queue of job events",
};

impl OwnQueue {
    /// Declares the queue under `name`, and binds it.
    pub(crate) async fn declare(&self, channel: &Channel, name: &str) -> Result<(), QueueError> {
        self.try_declare(channel, name)
            .await
            .map_err(QueueError::while_doing(self.declaring))
    }

    async fn try_declare(&self, channel: &Channel, name: &str) -> Result<(), lapin::Error> {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(name.into(), options, table(self.arguments))
            .await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                name.into(),
                self.exchange.into(),
                // A fanout exchange ignores it.
                name.into(),
                options,
                FieldTable::default(),
            )
            .await
    }
}
