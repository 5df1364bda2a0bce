//! How many callbacks are posted to one receiver at a time, so that a slow one holds up nobody else's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most at a time to one address, or to one network of 64 bits: that many addresses anybody has.
const PER_RECEIVER: usize = 8;

/// Who is being called.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One call's place, given up when dropped.
pub(super) struct Place {
    places: Places,
    receiver: IpAddr,
}

impl Places {
    /// A place at that receiver, if it has one left.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let receiver = receiver(address);
        let mut taken = self.lock();
        let here = taken.entry(receiver).or_default();
        if *here >= PER_RECEIVER {
            return None;
        }
        *here += 1;
        drop(taken);
        Some(Place {
            places: self.clone(),
            receiver,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(here) = taken.get_mut(&self.receiver) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.receiver);
            }
        }
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
    fn each_receiver_has_its_places_and_no_trace_is_left() {
        let places = Places::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let held: Vec<_> = (0..PER_RECEIVER)
            .map(|n| places.take(ip(&format!("2001:db8::{n}"))).unwrap())
            .collect();
        assert!(places.take(ip("2001:db8::ffff")).is_none());
        assert!(places.take(ip("2001:db8:0:1::1")).is_some());
        assert!(places.take(ip("1.1.1.1")).is_some());
        drop(held);
        assert!(places.lock().is_empty());
        assert!(places.take(ip("2001:db8::ffff")).is_some());
    }
}
