//! The bound on requests for execution: in total, by caller, and by room.

use std::sync::Arc;

use warren_protocol::ids::CallerTag;

use crate::metrics::Metrics;
use crate::sync::{AllottedPermit, AllottedPermits};

/// Bounds the requests in flight, each with a permit that is allotted to its caller and room.
pub(crate) struct InFlight(AllottedPermits<String>);

impl InFlight {
    /// Allows `most` requests at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self(AllottedPermits::new(most))
    }

    /// Takes a permit for a request of that caller in that room, if it may have one.
    pub(crate) fn enter(&self, caller: CallerTag, room: &str) -> Option<AllottedPermit<String>> {
        self.0.take(caller, room.to_owned())
    }

    /// Returns how many requests are in flight.
    pub(crate) fn count(&self) -> usize {
        self.0.total()
    }

    /// Registers how many requests are in flight, and how many may be.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let (in_flight, most) = (Arc::clone(self), self.0.most());
        metrics.register_gauge(
            "in_flight",
            "Requests for execution that are in hand",
            move || Some(in_flight.count()),
        );
        metrics.register_gauge("in_flight_max", "How many there may be", move || Some(most));
    }
}
