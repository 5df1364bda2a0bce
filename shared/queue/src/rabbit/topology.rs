//! What exists on the broker, as one table: declared over AMQP by every process that connects.
//! [`definitions`](super::definitions) has it as a file.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use super::lanes::{LANES, lane_of};
use crate::{JobClass, MAX_QUEUED_CALLBACKS, MAX_QUEUED_JOBS, QueueError};
use warren_protocol::event::MAX_EVENTS_BEHIND;
use warren_protocol::job::Job;
use warren_protocol::limits::ByteSize;

/// The exchange that jobs, dead letters and unclaimed replies go through.
pub const EXCHANGE: &str = "warren";
/// What APIs tell all workers: jobs whose caller has gone.
pub const CANCELLATIONS: &str = "warren.cancellations";
/// What workers tell all APIs: that they are there, and how they are.
pub const PRESENCE: &str = "warren.presence";
/// What workers and APIs tell all APIs: what happens to jobs.
pub const EVENTS: &str = "warren.events";
/// Jobs that wait for a worker and that nobody waits for ([`JobClass::Unattended`]): the first of
/// the [`LANES`].
pub const JOBS: &str = "warren.jobs";
/// Jobs that wait for a worker while their caller waits: [`JobClass::Interactive`].
pub const INTERACTIVE_JOBS: &str = "warren.jobs.interactive";
/// Jobs that were lost with a worker and wait to be run alone. Nobody consumes it: see [`TURNS`].
pub const SUSPECTS: &str = "warren.jobs.suspect";
/// One message for each suspect that waits. What a worker takes is a turn; the suspect stays where
/// it is until that worker runs nothing else.
pub const TURNS: &str = "warren.jobs.suspect.turns";
/// Jobs that nobody can run: expired, unreadable, or the death of every worker that tried.
pub const DEAD_JOBS: &str = "warren.jobs.dead";
/// Replies that no waiter took, to be recorded by any API instance.
pub const RESULTS: &str = "warren.results";
/// Callbacks that wait to be posted.
pub const CALLBACKS: &str = "warren.callbacks";
/// Callbacks that wait to be tried again, by the longest pause of those in it, in milliseconds. Queues
/// of their own, since a queue lets go of its first message only: a short pause behind a long one
/// would be as long.
pub const CALLBACK_RETRIES: [(&str, i64); 5] = [
    ("warren.callbacks.retry.1", 5_000),
    ("warren.callbacks.retry.2", 30_000),
    ("warren.callbacks.retry.3", 120_000),
    ("warren.callbacks.retry.4", 600_000),
    ("warren.callbacks.retry.5", 3_600_000),
];
/// What the reply queues' names begin with.
pub const REPLIES_PREFIX: &str = "warren.replies";

/// The largest message: `max_message_size` in `rabbitmq/rabbitmq.conf`. A larger one would cost
/// the whole connection, and with it what others have on it.
pub const MAX_MESSAGE: ByteSize = ByteSize::mib(16);

/// The most dead jobs and unclaimed results that are kept.
const MAX_KEPT: i64 = 10_000;
/// How long a dead job is kept for whoever looks into it: a week, in milliseconds.
const DEAD_JOB_TTL_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// The tries of a job are counted by workers: one that comes back leaves its queue for
/// [`SUSPECTS`]. This is for jobs that even that is the death of; here they end without an answer.
const DELIVERY_LIMIT: i64 = 20;

/// The class of the jobs that wait in that queue.
pub(super) fn class_in(queue: &str) -> JobClass {
    if queue == INTERACTIVE_JOBS {
        JobClass::Interactive
    } else {
        JobClass::Unattended
    }
}

/// The queue in which that job waits, being of that class.
pub(super) fn queue_of(job: &Job, class: JobClass) -> &'static str {
    match class {
        JobClass::Interactive => INTERACTIVE_JOBS,
        JobClass::Unattended => lane_of(&job.room),
    }
}

/// A callback that is put back this often, by APIs that stop or die, is given up.
const CALLBACK_DELIVERY_LIMIT: i64 = 100;

/// One argument of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Text(&'static str),
    Number(i64),
}

/// A durable exchange: the direct one, or one that copies to whichever process has bound a queue
/// of its own.
pub(super) const EXCHANGES: [(&str, Routing); 4] = [
    (EXCHANGE, Routing::Direct),
    (CANCELLATIONS, Routing::Fanout),
    (PRESENCE, Routing::Fanout),
    (EVENTS, Routing::Fanout),
];

#[derive(Clone, Copy)]
pub(super) enum Routing {
    Direct,
    Fanout,
}

impl Routing {
    fn kind(self) -> ExchangeKind {
        match self {
            Self::Direct => ExchangeKind::Direct,
            Self::Fanout => ExchangeKind::Fanout,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
        }
    }
}

/// A durable queue, bound to [`EXCHANGE`] under its own name.
pub(super) struct Queue {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [(&'static str, Argument)],
}

/// One of the queues of unattended jobs.
const fn lane(number: usize) -> Queue {
    Queue {
        name: LANES[number],
        arguments: &DURABLE_JOBS,
    }
}

/// Jobs that survive the broker.
const DURABLE_JOBS: [(&str, Argument); 6] = [
    ("x-queue-type", Argument::Text("quorum")),
    ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
    ("x-overflow", Argument::Text("reject-publish")),
    ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
    ("x-dead-letter-exchange", Argument::Text(EXCHANGE)),
    ("x-dead-letter-routing-key", Argument::Text(DEAD_JOBS)),
];

/// Callbacks that wait to be posted. Nothing is behind it: what cannot be posted is given up by whoever
/// tries, and what a broker gives up after [`CALLBACK_DELIVERY_LIMIT`] has nobody to be told to.
const CALLBACK_ARGUMENTS: [(&str, Argument); 4] = [
    ("x-queue-type", Argument::Text("quorum")),
    (
        "x-max-length",
        Argument::Number(MAX_QUEUED_CALLBACKS as i64),
    ),
    ("x-overflow", Argument::Text("reject-publish")),
    (
        "x-delivery-limit",
        Argument::Number(CALLBACK_DELIVERY_LIMIT),
    ),
];

/// Callbacks that are tried again after a pause: nobody consumes them, and at the end of their time
/// they go back. At least once, so that none is lost when [`CALLBACKS`] is full at that moment.
const fn paused(pause_ms: i64) -> [(&'static str, Argument); 7] {
    [
        ("x-queue-type", Argument::Text("quorum")),
        (
            "x-max-length",
            Argument::Number(MAX_QUEUED_CALLBACKS as i64),
        ),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-message-ttl", Argument::Number(pause_ms)),
        ("x-dead-letter-exchange", Argument::Text(EXCHANGE)),
        ("x-dead-letter-routing-key", Argument::Text(CALLBACKS)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
    ]
}

pub(super) const QUEUES: [Queue; 19] = [
    lane(0),
    lane(1),
    lane(2),
    lane(3),
    lane(4),
    lane(5),
    lane(6),
    lane(7),
    // Durable, so that it is there after a restart; what is in it is transient.
    Queue {
        name: INTERACTIVE_JOBS,
        arguments: &[
            ("x-queue-type", Argument::Text("classic")),
            ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-dead-letter-exchange", Argument::Text(EXCHANGE)),
            ("x-dead-letter-routing-key", Argument::Text(DEAD_JOBS)),
        ],
    },
    // Quorum, since it counts what comes back: a classic one flags whatever survives a power cut of
    // the broker, as if it had had its second try.
    Queue {
        name: SUSPECTS,
        arguments: &DURABLE_JOBS,
    },
    Queue {
        name: TURNS,
        arguments: &[
            ("x-queue-type", Argument::Text("classic")),
            ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
            ("x-overflow", Argument::Text("reject-publish")),
        ],
    },
    Queue {
        name: DEAD_JOBS,
        arguments: &[
            ("x-queue-type", Argument::Text("quorum")),
            ("x-max-length", Argument::Number(MAX_KEPT)),
            ("x-overflow", Argument::Text("drop-head")),
            ("x-message-ttl", Argument::Number(DEAD_JOB_TTL_MS)),
        ],
    },
    Queue {
        name: RESULTS,
        arguments: &[
            ("x-queue-type", Argument::Text("quorum")),
            ("x-max-length", Argument::Number(MAX_KEPT)),
            ("x-overflow", Argument::Text("reject-publish")),
        ],
    },
    Queue {
        name: CALLBACKS,
        arguments: &CALLBACK_ARGUMENTS,
    },
    Queue {
        name: CALLBACK_RETRIES[0].0,
        arguments: &paused(CALLBACK_RETRIES[0].1),
    },
    Queue {
        name: CALLBACK_RETRIES[1].0,
        arguments: &paused(CALLBACK_RETRIES[1].1),
    },
    Queue {
        name: CALLBACK_RETRIES[2].0,
        arguments: &paused(CALLBACK_RETRIES[2].1),
    },
    Queue {
        name: CALLBACK_RETRIES[3].0,
        arguments: &paused(CALLBACK_RETRIES[3].1),
    },
    Queue {
        name: CALLBACK_RETRIES[4].0,
        arguments: &paused(CALLBACK_RETRIES[4].1),
    },
];

/// A reply queue refuses what it cannot hold; the reply then goes to [`RESULTS`].
const REPLY_QUEUE_ARGUMENTS: [(&str, Argument); 2] = [
    ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
    ("x-overflow", Argument::Text("reject-publish")),
];

/// A queue of cancellations: what does not fit is the oldest, whose jobs are the next to expire.
const CANCELLATION_QUEUE_ARGUMENTS: [(&str, Argument); 2] = [
    ("x-max-length", Argument::Number(MAX_QUEUED_JOBS as i64)),
    ("x-overflow", Argument::Text("drop-head")),
];

/// What workers say of themselves is soon said again: the newest matter, and not many.
const PRESENCE_QUEUE_ARGUMENTS: [(&str, Argument); 2] = [
    ("x-max-length", Argument::Number(1024)),
    ("x-overflow", Argument::Text("drop-head")),
];

/// What happens to jobs is also seen in the store: the newest matter.
const EVENT_QUEUE_ARGUMENTS: [(&str, Argument); 2] = [
    ("x-max-length", Argument::Number(MAX_EVENTS_BEHIND as i64)),
    ("x-overflow", Argument::Text("drop-head")),
];

/// Declares the exchanges, the queues and their bindings, all as one process would find them if it
/// were the first.
pub(super) async fn declare(channel: &Channel) -> Result<(), QueueError> {
    for (name, routing) in EXCHANGES {
        channel
            .exchange_declare(
                name.into(),
                routing.kind(),
                ExchangeDeclareOptions {
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                },
                FieldTable::default(),
            )
            .await
            .map_err(QueueError::while_doing("declare an exchange"))?;
    }
    for queue in &QUEUES {
        channel
            .queue_declare(
                queue.name.into(),
                QueueDeclareOptions::durable(),
                table(queue.arguments),
            )
            .await
            .map_err(QueueError::while_doing(
                "declare a queue (if it exists with other arguments, from another version of Warren, say, delete it once it is empty)",
            ))?;
        channel
            .queue_bind(
                queue.name.into(),
                EXCHANGE.into(),
                queue.name.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(QueueError::while_doing("bind a queue"))?;
    }
    Ok(())
}

/// Declares a reply queue, which lives as long as the connection.
pub(super) async fn declare_reply_queue(channel: &Channel, name: &str) -> Result<(), QueueError> {
    declare_own_queue(channel, name, &REPLY_QUEUE_ARGUMENTS)
        .await
        .map_err(QueueError::while_doing("declare the reply queue"))
}

/// Declares a worker's queue of cancellations, which lives as long as the connection, and binds it.
pub(super) async fn declare_cancellation_queue(
    channel: &Channel,
    name: &str,
) -> Result<(), QueueError> {
    declare_ear(channel, name, CANCELLATIONS, &CANCELLATION_QUEUE_ARGUMENTS)
        .await
        .map_err(QueueError::while_doing(
            "declare the queue of cancellations",
        ))
}

/// Declares an API's queue of what workers say of themselves, which lives as long as the
/// connection, and binds it.
pub(super) async fn declare_presence_queue(
    channel: &Channel,
    name: &str,
) -> Result<(), QueueError> {
    declare_ear(channel, name, PRESENCE, &PRESENCE_QUEUE_ARGUMENTS)
        .await
        .map_err(QueueError::while_doing("declare the presence queue"))
}

/// Declares an API's queue of job events, which lives as long as the connection, and binds it.
pub(super) async fn declare_event_queue(channel: &Channel, name: &str) -> Result<(), QueueError> {
    declare_ear(channel, name, EVENTS, &EVENT_QUEUE_ARGUMENTS)
        .await
        .map_err(QueueError::while_doing("declare the queue of job events"))
}

/// A queue of this connection's own for all that a fanout exchange copies.
async fn declare_ear(
    channel: &Channel,
    name: &str,
    exchange: &str,
    arguments: &[(&'static str, Argument)],
) -> Result<(), lapin::Error> {
    declare_own_queue(channel, name, arguments).await?;
    channel
        .queue_bind(
            name.into(),
            exchange.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

async fn declare_own_queue(
    channel: &Channel,
    name: &str,
    arguments: &[(&'static str, Argument)],
) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, table(arguments))
        .await
        .map(drop)
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(LongString::from(*text)),
            // As wide as what the broker makes of a definitions file.
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert(ShortString::from(*name), value);
    }
    table
}
