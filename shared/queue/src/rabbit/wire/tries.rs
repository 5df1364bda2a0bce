//! A job's tries.
//!
//! The broker reports only that a message came back. The worker that moves the job on counts the
//! tries, in a header.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use warren_protocol::reply::MAX_TRIES;

/// The header with the tries before the message was published.
const TRIES: &str = "warren-tries";
/// A quorum queue's own count, of one message.
const RETURNS: &str = "x-delivery-count";

/// The number of workers that had a job and lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tries(u32);

/// Returns whether earlier holders of the message were lost with it. Only the first of them can
/// have run it, since a message that comes back is moved on or given up by its next holder.
pub(crate) fn came_back(delivered: &Delivery) -> bool {
    delivered.redelivered || number(&delivered.properties, RETURNS).is_some_and(|count| count > 0)
}

impl Tries {
    /// Returns the tries before `delivered`.
    pub(crate) fn before(delivered: &Delivery) -> Self {
        let Self(noted) = Self::noted(&delivered.properties).unwrap_or(Self(0));
        Self(noted.saturating_add(u32::from(came_back(delivered))))
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

    /// Returns whether there may be no further try.
    pub(crate) fn used_up(self) -> bool {
        self.0 >= MAX_TRIES
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
