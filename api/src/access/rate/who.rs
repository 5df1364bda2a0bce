//! Keys by which requests are counted.

use std::net::IpAddr;

use warren_http::Peer;
use warren_protocol::ids::RoomId;

use crate::access::caller::{Caller, KeyName, Subject};

/// A party whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Key(KeyName),
    User(Subject),
    Address(Peer),
    Room(RoomId),
    /// All clients that come while there is no space to count them separately.
    Others,
}

impl Who {
    /// Returns the caller, or its address if nothing else is known.
    pub(super) fn of(caller: &Caller, address: IpAddr) -> Self {
        match caller {
            Caller::Key(name) => Self::Key(name.clone()),
            Caller::User(subject) => Self::User(subject.clone()),
            Caller::Anonymous => Self::Address(address.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_network() {
        for (one, other, alike) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let who = |text: &str| Who::of(&Caller::Anonymous, text.parse().unwrap());
            assert_eq!(who(one) == who(other), alike, "{one} {other}");
        }
    }
}
