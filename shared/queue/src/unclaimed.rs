//! A reply that no waiter took, on its way to be recorded.

use std::time::Duration;

use warren_protocol::reply::Reply;

/// How long a dropped reply stays away, so that a recorder that fails is not asked in a hot loop.
pub(super) const UNCLAIMED_RETRY: Duration = Duration::from_secs(1);

/// A reply that no waiter took. Acknowledge it once it is recorded; dropped, it comes again.
pub struct Unclaimed {
    /// The reply.
    pub reply: Reply,
    settle: Option<Box<dyn FnOnce(Fate) + Send>>,
}

/// The end of an [`Unclaimed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is recorded and must not come again.
    Recorded,
    /// It was dropped and must come again.
    Dropped,
}

impl Unclaimed {
    /// A reply whose fate `settle` is told.
    #[must_use]
    pub fn new(reply: Reply, settle: Box<dyn FnOnce(Fate) + Send>) -> Self {
        Self {
            reply,
            settle: Some(settle),
        }
    }

    /// The reply is recorded and must not come again.
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
