//! How often a job was tried. A quorum queue counts what comes back to it; a classic one only says
//! that something did, so there the worker that gets the job next counts, in a header.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::queue::{JobClass, MAX_TRIES};

/// The header with the tries before the message was published.
const TRIES: &str = "warren-tries";
/// A quorum queue's own count, of one message.
const RETURNS: &str = "x-delivery-count";

/// How many workers had a job and lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tries(u32);

impl Tries {
    /// Those before `delivered`.
    pub(super) fn before(class: JobClass, delivered: &Delivery) -> Self {
        let Self(noted) = Self::noted(&delivered.properties).unwrap_or(Self(0));
        let since = match class {
            // The flag stays set, so it says "once or more": see `losses`, which leaves no doubt.
            JobClass::Interactive => u32::from(delivered.redelivered),
            JobClass::Unattended => number(&delivered.properties, RETURNS).unwrap_or(0),
        };
        Self(noted.saturating_add(since))
    }

    /// Those that whoever published the message knew of; `None` if that was the job's caller.
    pub(super) fn noted(properties: &BasicProperties) -> Option<Self> {
        number(properties, TRIES).map(Self)
    }

    /// Writes them into a message's headers.
    pub(super) fn note(self, headers: &mut FieldTable) {
        headers.insert(TRIES.into(), AMQPValue::LongLongInt(i64::from(self.0)));
    }

    /// Whether there may be no further one.
    pub(super) fn used_up(self) -> bool {
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
