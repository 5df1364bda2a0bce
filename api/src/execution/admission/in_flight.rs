//! The bound on requests for execution, in total and by room.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::sync::{KeyedPermits, Permit};

/// Bounds the requests in flight. A room has at most about as many permits as are left for others
/// (Choudhury and Hahne's dynamic threshold): a flood of one room leaves half, of two a third.
pub(crate) struct InFlight {
    most: usize,
    permits: KeyedPermits<String>,
}

impl InFlight {
    /// Allows `most` requests at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            permits: KeyedPermits::default(),
        }
    }

    /// Takes a permit for a request of that room, if the room may have one.
    pub(crate) fn enter(&self, room: &str) -> Option<Permit<String>> {
        self.permits.take(room.to_owned(), |of_room, total| {
            let free = self.most.saturating_sub(total);
            free > 0 && of_room <= free
        })
    }

    /// Returns how many requests are in flight.
    pub(crate) fn count(&self) -> usize {
        self.permits.total()
    }

    /// Registers how many requests are in flight, and how many may be.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let (in_flight, most) = (Arc::clone(self), self.most);
        metrics.register_gauge(
            "in_flight",
            "Requests for execution that are in hand",
            move || Some(in_flight.count()),
        );
        metrics.register_gauge("in_flight_max", "How many there may be", move || Some(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(in_flight: &InFlight, room: &str) -> Vec<Permit<String>> {
        std::iter::from_fn(|| in_flight.enter(room)).collect()
    }

    #[test]
    fn a_flood_of_one_room_leaves_permits_for_others() {
        let in_flight = InFlight::new(100);
        let first = flood(&in_flight, "first");
        assert_eq!(first.len(), 51);
        let second = flood(&in_flight, "second");
        assert_eq!(second.len(), 25);
        assert!(in_flight.enter("third").is_some());
        assert!(in_flight.enter("first").is_none());
        drop((first, second));
        assert_eq!(in_flight.count(), 0);
        assert_eq!(in_flight.permits.keys(), 0);
        assert!(in_flight.enter("first").is_some());
    }

    #[test]
    fn an_only_permit_is_given() {
        let in_flight = InFlight::new(1);
        let only = in_flight.enter("room");
        assert!(only.is_some());
        assert!(in_flight.enter("other").is_none());
    }
}
