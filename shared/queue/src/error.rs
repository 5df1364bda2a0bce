//! The queue's errors: jobs that are not queued, and a queue that fails.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

/// The reason that a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The most jobs that may wait are waiting.
    #[error("the job queue is full")]
    Full,
    /// No worker takes jobs.
    #[error("no worker is connected to the job queue")]
    NoWorkers,
    /// The queue cannot be reached, or has asked us not to publish.
    #[error("the job queue cannot be reached")]
    Unavailable,
    /// The job was sent but the queue did not confirm it in time: it may or may not run.
    #[error("the job queue did not confirm the job in time")]
    Unconfirmed,
    /// The job's deadline passed first.
    #[error("the job's deadline passed before it was queued")]
    DeadlinePassed,
}

/// A fault of the queue itself.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker's URL cannot be used.
    #[error(
        "RABBITMQ_URL is not a valid AMQP address: {0}; give one like amqp://user:password@host:5672/%2f"
    )]
    InvalidUrl(String),
    /// There is no connection now; it is being rebuilt.
    #[error("not connected to RabbitMQ; connecting in the background")]
    Disconnected,
    /// The last attempt to connect failed; the next is under way.
    #[error(
        "not connected to RabbitMQ; retrying in the background (check that the broker runs and that RABBITMQ_URL is right). The last problem: {0}"
    )]
    Unreachable(String),
    /// The broker takes no messages because its memory or disk alarm is raised.
    #[error(
        "RabbitMQ takes no messages because of its memory or disk alarm; free memory or disk space on its host"
    )]
    Blocked,
    /// The broker ended one of our consumers.
    #[error("RabbitMQ cancelled our consumer of {0}; resubscribing")]
    ConsumerCancelled(&'static str),
    /// A message is larger than the broker takes.
    #[error("a message of {bytes} bytes is larger than RabbitMQ takes ({limit})")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size that the broker accepts.
        limit: u64,
    },
    /// A queue that the message was for accepts no more, or is gone.
    #[error("RabbitMQ refused a message: {0} is full or gone")]
    Refused(&'static str),
    /// The broker refused or failed an operation.
    #[error("RabbitMQ: cannot {context}")]
    Amqp {
        /// The operation, as a verb phrase.
        context: &'static str,
        /// The library's error.
        #[source]
        source: Box<lapin::Error>,
    },
    /// The broker has no such exchange or queue, and this user may not declare it.
    #[error(
        "RabbitMQ has no {name}, and the user of RABBITMQ_URL may not declare it; import rabbitmq/definitions.json"
    )]
    Undeclared {
        /// The name of the exchange or queue.
        name: &'static str,
        /// The library's error.
        #[source]
        source: Box<lapin::Error>,
    },
    /// The broker did not answer in time.
    #[error("RabbitMQ did not answer in time: {context}")]
    TimedOut {
        /// The operation.
        context: &'static str,
    },
    /// A stream that exists once was requested again.
    #[error("{0} was already taken from this queue")]
    AlreadyTaken(&'static str),
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}

impl QueueError {
    /// Creates the error of looking for an exchange or queue.
    pub(crate) fn undeclared(name: &'static str, source: lapin::Error) -> Self {
        match refusal(&source) {
            Some(AMQPSoftError::NOTFOUND) => Self::Undeclared {
                name,
                source: Box::new(source),
            },
            _ => Self::while_doing("look for an exchange or a queue")(source),
        }
    }

    /// Returns whether the broker denied the operation to this user.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Amqp { source, .. } if refusal(source) == Some(AMQPSoftError::ACCESSREFUSED))
    }

    /// Returns a function for `map_err` that wraps the library's error with the operation.
    pub(crate) fn while_doing(context: &'static str) -> impl FnOnce(lapin::Error) -> Self {
        move |source| Self::Amqp {
            context,
            source: Box::new(source),
        }
    }
}

/// Returns the reason for which the broker closed a channel.
fn refusal(error: &lapin::Error) -> Option<AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(reason) => Some(reason.clone()),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
