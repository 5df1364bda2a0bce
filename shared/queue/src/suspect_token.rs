//! Tokens of suspects: jobs that were lost with a worker and are run again alone.

use futures_util::future::BoxFuture;

use crate::{Delivery, QueueError};

/// An element of a worker's stream.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are jobs, and a box would cost each of them"
)]
pub enum Offer {
    /// A job to run beside others.
    Job(Delivery),
    /// The right to run a suspect: a job that may have killed its last worker.
    Suspect(SuspectToken),
}

/// The right to run the next suspect. The suspect stays in the queue until the worker runs nothing
/// else and fetches it. So the worker's death before that counts against no job, and its death
/// after that against none but the suspect. Dropping the token passes it to another worker.
pub struct SuspectToken(Box<dyn Fetch>);

/// An implementation of the fetch of a suspect.
pub trait Fetch: Send {
    /// Returns whether the token is still this worker's. If the connection that brought it is lost,
    /// it is not.
    fn is_ours(&self) -> bool;
    /// Takes one suspect. Disposes on the way of those that must not run any more.
    fn fetch(self: Box<Self>) -> BoxFuture<'static, Result<Option<Delivery>, QueueError>>;
}

impl Offer {
    /// Returns the job, if it is one to run beside others; a token goes to another worker.
    #[must_use]
    pub fn into_job(self) -> Option<Delivery> {
        match self {
            Self::Job(delivery) => Some(delivery),
            Self::Suspect(_) => None,
        }
    }
}

impl SuspectToken {
    /// Creates a token by which `fetch` takes a suspect. Dropping `fetch` gives the token back.
    #[must_use]
    pub fn new(fetch: Box<dyn Fetch>) -> Self {
        Self(fetch)
    }

    /// Takes the suspect. Must be called once nothing else runs here: from now on, this worker's
    /// death counts against it. Returns `None` if none is left to run. The token ends when the job
    /// is settled.
    ///
    /// # Errors
    /// The queue cannot be reached; the token goes to another worker.
    pub async fn fetch(self) -> Result<Option<Delivery>, QueueError> {
        self.0.fetch().await
    }

    /// Returns the token, if it is still ours.
    pub(super) fn if_ours(self) -> Option<Self> {
        self.0.is_ours().then_some(self)
    }
}
