//! Bound on concurrent posts to one receiver, so that a slow one delays no other.

use std::net::{IpAddr, Ipv6Addr};

use crate::sync::{KeyedPermits, Permit};

/// The most posts at a time to one IPv4 address or one IPv6 /64, since anybody has a whole /64.
const PER_RECEIVER: usize = 8;

/// The receivers to which posts are under way.
#[derive(Default)]
pub(super) struct Receivers(KeyedPermits<IpAddr>);

impl Receivers {
    /// Takes a permit for a receiver, if it has one left.
    pub(super) fn take(&self, address: IpAddr) -> Option<Permit<IpAddr>> {
        self.0.take(receiver(address), PER_RECEIVER)
    }
}

fn receiver(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_receiver_has_its_permits_and_no_trace_is_left() {
        let receivers = Receivers::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let held: Vec<_> = (0..PER_RECEIVER)
            .map(|n| receivers.take(ip(&format!("2001:db8::{n}"))).unwrap())
            .collect();
        assert!(receivers.take(ip("2001:db8::ffff")).is_none());
        assert!(receivers.take(ip("2001:db8:0:1::1")).is_some());
        assert!(receivers.take(ip("1.1.1.1")).is_some());
        drop(held);
        assert_eq!(receivers.0.keys(), 0);
        assert!(receivers.take(ip("2001:db8::ffff")).is_some());
    }
}
