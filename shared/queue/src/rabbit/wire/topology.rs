//! The topology on the broker, as one table.
//!
//! Every process that connects declares it over AMQP; [`definitions`](super::definitions) has it as a file.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use super::lanes::{LANES, lane_of};
use crate::{JobClass, MAX_QUEUED_CALLBACKS, MAX_QUEUED_JOBS, QueueError};
use warren_protocol::job::Job;
use warren_protocol::limits::ByteSize;

/// The exchange that jobs, dead letters and unclaimed replies go through.
pub const EXCHANGE: &str = "warren";
/// The exchange on which APIs cancel jobs at all workers.
pub const CANCELLATIONS: &str = "warren.cancellations";
/// The exchange on which workers announce themselves to all APIs.
pub const PRESENCE: &str = "warren.presence";
/// The exchange on which workers claim suspects whose messages they lost, at all workers.
pub const CLAIMS: &str = "warren.claims";
/// The exchange of job events, from workers and APIs to all APIs.
pub const EVENTS: &str = "warren.events";
/// The first of the [`LANES`] in which unattended jobs wait for a worker.
pub const JOBS: &str = LANES[0];
/// Jobs that wait for a worker while their caller waits: [`JobClass::Interactive`].
pub const INTERACTIVE_JOBS: &str = "warren.jobs.interactive";
/// Jobs that were lost with a worker and wait to be run alone. It has no consumer: see [`TURNS`].
pub const SUSPECTS: &str = "warren.jobs.suspect";
/// One message, a token, for each suspect that waits. A worker takes a token; the suspect stays where
/// it is until that worker runs nothing else.
pub const TURNS: &str = "warren.jobs.suspect.turns";
/// Jobs that cannot be run: expired, unreadable, or lost with every worker that tried.
pub const DEAD_JOBS: &str = "warren.jobs.dead";
/// Replies that no waiter took, to be recorded by any API instance.
pub const RESULTS: &str = "warren.results";
/// Callbacks that wait to be posted.
pub const CALLBACKS: &str = "warren.callbacks";
/// Callbacks that wait for a retry, by the longest pause of those in it, in milliseconds. Each
/// pause has its own queue, since a queue releases only its first message: a short pause behind a
/// long one would be as long.
pub const CALLBACK_RETRIES: [(&str, i64); 5] = [
    ("warren.callbacks.retry.1", 5_000),
    ("warren.callbacks.retry.2", 30_000),
    ("warren.callbacks.retry.3", 120_000),
    ("warren.callbacks.retry.4", 600_000),
    ("warren.callbacks.retry.5", 3_600_000),
];
/// The exchange of replies: each goes to the reply queue that its routing key names. Workers may
/// publish here, so they need no right to the default exchange, which leads to every queue.
pub const REPLIES: &str = "warren.replies";
/// The beginning of the names of the reply queues that are bound to [`REPLIES`].
pub const REPLY_QUEUE_PREFIX: &str = "warren.reply.";

/// Returns the exchange that leads to a reply queue. APIs before 0.2 bind theirs to none, and name
/// them otherwise: the default exchange leads there, as to any queue by its name.
pub(crate) fn exchange_of(reply_queue: &str) -> &'static str {
    if reply_queue.starts_with(REPLY_QUEUE_PREFIX) {
        REPLIES
    } else {
        ""
    }
}

/// The largest message: `max_message_size` in `rabbitmq/rabbitmq.conf`. A larger one would cost the
/// whole connection, and with it everything else on it.
pub const MAX_MESSAGE: ByteSize = ByteSize::mib(16);

/// The most dead jobs and unclaimed results that are kept.
const MAX_KEPT: i64 = 10_000;
/// The time for which a dead job is kept for operators to look into: a week, in milliseconds.
const DEAD_JOB_TTL_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// The limit of the broker's own count, for jobs that kill a worker even from [`SUSPECTS`]; here
/// they end without an answer. Workers count the tries of a job: one that comes back leaves its
/// queue for [`SUSPECTS`].
const DELIVERY_LIMIT: i64 = 20;

/// Returns the class of the jobs that wait in that queue.
pub(crate) fn class_in(queue: &str) -> JobClass {
    if queue == INTERACTIVE_JOBS {
        JobClass::Interactive
    } else {
        JobClass::Unattended
    }
}

/// Returns the queue in which a job of that class waits.
pub(crate) fn queue_of(job: &Job, class: JobClass) -> &'static str {
    match class {
        JobClass::Interactive => INTERACTIVE_JOBS,
        JobClass::Unattended => lane_of(job),
    }
}

/// The number of times that a callback may be put back, by APIs that stop or die, before it is
/// given up.
const CALLBACK_DELIVERY_LIMIT: i64 = 100;

/// One argument of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Text(&'static str),
    Number(i64),
}

/// A durable exchange: the direct one, or one that copies to whichever process has bound a queue
/// of its own.
pub(crate) const EXCHANGES: [(&str, Routing); 6] = [
    (EXCHANGE, Routing::Direct),
    (CANCELLATIONS, Routing::Fanout),
    (PRESENCE, Routing::Fanout),
    (EVENTS, Routing::Fanout),
    (CLAIMS, Routing::Fanout),
    (REPLIES, Routing::Direct),
];

#[derive(Clone, Copy)]
pub(crate) enum Routing {
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

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
        }
    }
}

/// A durable queue, bound to [`EXCHANGE`] under its own name.
pub(crate) struct Queue {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [(&'static str, Argument)],
}

/// Returns one of the queues of unattended jobs.
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

/// Callbacks that wait to be posted. It has no dead letters: a callback that cannot be posted is given
/// up by the API that tries, and one that the broker gives up after [`CALLBACK_DELIVERY_LIMIT`] has
/// no one to be reported to.
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

/// Returns the arguments of a queue of callbacks that are retried after a pause. They have no
/// consumer, and go back at the end of their pause: at least once, so that none is lost when
/// [`CALLBACKS`] is full at that moment.
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

/// The durable queues but for [`CALLBACK_RETRIES`].
const FIXED_QUEUES: [Queue; 14] = [
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
    // A quorum queue, since it counts returns. A classic queue flags every message that survives a
    // power cut of the broker, as if it had had its second try.
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
];

const RETRY_LEVELS: usize = CALLBACK_RETRIES.len();

const RETRY_ARGUMENTS: [[(&str, Argument); 7]; RETRY_LEVELS] = {
    let mut arguments = [paused(0); RETRY_LEVELS];
    let mut level = 0;
    while level < RETRY_LEVELS {
        arguments[level] = paused(CALLBACK_RETRIES[level].1);
        level += 1;
    }
    arguments
};

/// Iterates over all durable queues.
pub(crate) fn queues() -> impl Iterator<Item = Queue> {
    let retries = CALLBACK_RETRIES.iter().zip(&RETRY_ARGUMENTS);
    let retries = retries.map(|((name, _), arguments)| Queue { name, arguments });
    FIXED_QUEUES.into_iter().chain(retries)
}

/// Checks that the exchanges and the queues are there, for a user who may not declare them.
pub(crate) async fn check(channel: &Channel) -> Result<(), QueueError> {
    for (name, routing) in EXCHANGES {
        let options = ExchangeDeclareOptions {
            passive: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(name.into(), routing.kind(), options, FieldTable::default())
            .await
            .map_err(|source| QueueError::undeclared(name, source))?;
    }
    for queue in queues() {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.name.into(), options, FieldTable::default())
            .await
            .map_err(|source| QueueError::undeclared(queue.name, source))?;
    }
    Ok(())
}

/// Declares the exchanges, the queues and their bindings.
pub(crate) async fn declare(channel: &Channel) -> Result<(), QueueError> {
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
    for queue in queues() {
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

pub(super) fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(LongString::from(*text)),
            // The same width as the broker uses for a definitions file.
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert(ShortString::from(*name), value);
    }
    table
}
