//! Job events on their way to whoever listens in this process.

use tokio::sync::broadcast;

use warren_protocol::event::{JobEvent, MAX_EVENTS_BEHIND};

/// Passes events on to all who listen.
#[derive(Clone)]
pub(super) struct Bulletin(broadcast::Sender<JobEvent>);

impl Default for Bulletin {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_EVENTS_BEHIND))
    }
}

impl Bulletin {
    /// Passes it on; nobody need be listening.
    pub(super) fn publish(&self, event: JobEvent) {
        drop(self.0.send(event));
    }

    /// All that is told from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<JobEvent> {
        self.0.subscribe()
    }
}
