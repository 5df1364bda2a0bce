//! A suspect's turn: a job that was lost with its worker waits to be run again, by a worker that
//! runs nothing else meanwhile.

use async_trait::async_trait;

use crate::{Delivery, QueueError};

/// What a worker takes from its stream.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are jobs, and a box would cost each of them"
)]
pub enum Offer {
    /// A job to run, beside others.
    Job(Delivery),
    /// A job waits that may have been its last worker's death.
    Suspect(Turn),
}

/// Says that a suspect waits. It stays in the queue until the worker is alone and fetches it, so
/// that a death before that is held against no job, and one after it against none but the suspect.
/// Dropped, the turn goes to another worker.
pub struct Turn(Box<dyn Fetch>);

/// How an implementation of the queue gives out a suspect.
#[async_trait]
pub trait Fetch: Send {
    /// Whether the turn is still this worker's. Once the connection that brought it is lost, it is
    /// not.
    fn is_ours(&self) -> bool;
    /// Takes one suspect. What is not to be run any more is seen to on the way.
    async fn fetch(self: Box<Self>) -> Result<Option<Delivery>, QueueError>;
}

impl Offer {
    /// The job, if it is one to run beside others; a turn goes to another worker.
    #[must_use]
    pub fn into_job(self) -> Option<Delivery> {
        match self {
            Self::Job(delivery) => Some(delivery),
            Self::Suspect(_) => None,
        }
    }
}

impl Turn {
    /// A turn by which `fetch` takes a suspect. Dropping that gives the turn back.
    #[must_use]
    pub fn new(fetch: Box<dyn Fetch>) -> Self {
        Self(fetch)
    }

    /// Takes the suspect. To be called once nothing else runs here: from now on, this worker's
    /// death is held against it. `None` if none is left to run. The turn ends when the job is
    /// settled.
    ///
    /// # Errors
    /// The queue cannot be reached; the turn goes to another worker.
    pub async fn fetch(self) -> Result<Option<Delivery>, QueueError> {
        self.0.fetch().await
    }

    /// The turn, if it is still ours.
    pub(super) fn if_ours(self) -> Option<Self> {
        self.0.is_ours().then_some(self)
    }
}
