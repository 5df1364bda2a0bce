//! Job events on their way to the subscribers in this process.

use tokio::sync::broadcast;

use warren_protocol::event::{JobEvent, MAX_EVENTS_BEHIND};

/// Passes job events on to all subscribers.
#[derive(Clone)]
pub(super) struct EventBus(broadcast::Sender<JobEvent>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_EVENTS_BEHIND))
    }
}

impl EventBus {
    /// Passes an event on. There may be no subscriber.
    pub(super) fn publish(&self, event: JobEvent) {
        drop(self.0.send(event));
    }

    /// Subscribes to all events from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<JobEvent> {
        self.0.subscribe()
    }
}
