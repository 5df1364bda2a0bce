//! A delivered message that is held until it is settled.

use std::time::Duration;

use lapin::Acker;
use tokio::runtime::Handle;

use super::settlement::{Settlement, settle};
use crate::QueueError;

/// A delivered message. Dropping it unsettled returns it to its queue.
pub(crate) struct HeldMessage {
    acker: Option<Acker>,
    /// The pause before it goes back, so that a failing message is not redelivered in a hot loop.
    return_after: Duration,
    // It may be dropped outside of the runtime.
    runtime: Handle,
}

impl HeldMessage {
    /// Holds a message that `acker` settles. Must be called within the runtime.
    pub(crate) fn new(acker: Acker) -> Self {
        Self::returning_after(acker, Duration::ZERO)
    }

    /// Does the same, but a dropped message stays away for `pause`.
    pub(crate) fn returning_after(acker: Acker, pause: Duration) -> Self {
        Self {
            acker: Some(acker),
            return_after: pause,
            runtime: Handle::current(),
        }
    }

    /// Returns whether it is still ours. If the connection that brought it is lost, the message is
    /// delivered again.
    pub(crate) fn is_ours(&self) -> bool {
        self.acker.as_ref().is_some_and(Acker::usable)
    }

    /// Settles it.
    pub(crate) async fn settle(mut self, how: Settlement) -> Result<(), QueueError> {
        match self.acker.take() {
            Some(acker) => settle(&acker, how).await,
            None => Ok(()),
        }
    }

    /// Returns the runtime in which it was delivered.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Drop for HeldMessage {
    fn drop(&mut self) {
        let Some(acker) = self.acker.take() else {
            return;
        };
        let pause = self.return_after;
        // Bounded by the prefetch.
        self.runtime.spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if let Err(error) = settle(&acker, Settlement::Requeue).await {
                tracing::debug!(%error, "a message was lost with its connection; it is delivered again");
            }
        });
    }
}
