//! A job's tries.
//!
//! The broker reports only that a message came back. The worker that moves the job on counts the
//! tries, in a header.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::JobClass;

/// The header with the tries before the message was published.
const TRIES: &str = "warren-tries";
/// A quorum queue's own count, of one message.
const RETURNS: &str = "x-delivery-count";

/// The number of tries that a job has used up: the one beside others, and each alone of which its
/// worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tries(u32);

/// Returns whether earlier holders of the message lost it. Only the first of them can have run it,
/// since a message that comes back is moved on or given up by its next holder.
pub(crate) fn came_back(delivered: &Delivery) -> bool {
    delivered.redelivered || number(&delivered.properties, RETURNS).is_some_and(|count| count > 0)
}

impl Tries {
    /// Returns the tries before the message of `delivered` was published.
    pub(crate) fn before(delivered: &Delivery) -> Self {
        Self::noted(&delivered.properties).unwrap_or(Self(0))
    }

    /// Returns these and one more.
    pub(crate) fn one_more(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads the tries that the publisher of the message knew of; `None` if that was the job's
    /// caller.
    pub(crate) fn noted(properties: &BasicProperties) -> Option<Self> {
        number(properties, TRIES).map(Self)
    }

    /// Writes them into a message's headers.
    pub(crate) fn note(self, headers: &mut FieldTable) {
        headers.insert(TRIES.into(), AMQPValue::LongLongInt(i64::from(self.0)));
    }

    /// Returns whether there may be no further try of a job of `class`.
    pub(crate) fn used_up(self, class: JobClass) -> bool {
        self.0 >= class.max_tries()
    }
}

fn number(properties: &BasicProperties, header: &str) -> Option<u32> {
    let headers = properties.headers().as_ref()?;
    let number = match headers.inner().get(header)? {
        AMQPValue::LongLongInt(number) => *number,
        AMQPValue::LongInt(number) => i64::from(*number),
        AMQPValue::LongUInt(number) => i64::from(*number),
        AMQPValue::ShortInt(number) => i64::from(*number),
        AMQPValue::ShortUInt(number) => i64::from(*number),
        AMQPValue::ShortShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortUInt(number) => i64::from(*number),
        _ => return None,
    };
    u32::try_from(number).ok()
}
