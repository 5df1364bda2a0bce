//! The figures of a broker's round trips.

use std::time::Duration;

use serde::Serialize;

use crate::statistics::Summary;

/// The size of a message: a job with a small program, in JSON.
pub const MESSAGE: usize = 1024;

/// A kind of queue for jobs. The replies' is always classic, exclusive and transient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum QueueKind {
    /// Replicated, with a write-ahead log that is synced to disk.
    Quorum,
    /// Durable, without that log.
    Classic,
}

impl QueueKind {
    /// Returns its name, to tables and to the broker.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// Round trips over one kind of queue, with persistent messages and publisher confirms.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// The jobs' queue.
    pub queue: QueueKind,
    /// Bytes of a message.
    pub message_bytes: usize,
    /// From publishing a job until its consumer has it.
    pub delivery: Summary,
    /// From publishing a job until the broker confirms it.
    pub confirm: Summary,
    /// From publishing a job until its reply is there.
    pub round_trip: Summary,
}

/// The times of one round trip.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From publishing a job until its consumer has it.
    pub delivery: Duration,
    /// From publishing a job until the broker confirms it.
    pub confirm: Duration,
    /// From publishing a job until its reply is there.
    pub round_trip: Duration,
}
