//! A reply that no waiter took, on its way to be recorded.

use std::time::Duration;

use warren_protocol::reply::Reply;

/// The pause before a dropped reply is delivered again, so that a failing recorder is not asked in
/// a hot loop.
pub(super) const UNCLAIMED_RETRY: Duration = Duration::from_secs(1);

/// A reply that no waiter took. Acknowledge it once it is recorded; dropping it has it delivered
/// again.
pub struct Unclaimed {
    /// The reply.
    pub reply: Reply,
    settle: Option<Box<dyn FnOnce(Fate) + Send>>,
}

/// The end of an [`Unclaimed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is recorded, and is not delivered again.
    Recorded,
    /// It was dropped, and is delivered again.
    Dropped,
}

impl Unclaimed {
    /// Creates a reply whose fate is passed to `settle`.
    #[must_use]
    pub fn new(reply: Reply, settle: Box<dyn FnOnce(Fate) + Send>) -> Self {
        Self {
            reply,
            settle: Some(settle),
        }
    }

    /// Settles it: the reply is recorded, and is not delivered again.
    pub fn acknowledge(mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Fate::Recorded);
        }
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Fate::Dropped);
        }
    }
}
