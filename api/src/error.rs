//! The crate's one error type.

use warren_outbound::ClientError;
use warren_queue::QueueError;

use crate::store::StoreError;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that keeps the API from serving. Errors of single requests are
/// [`warren_protocol::contract::Problem`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client of a fallback cannot be created.
    #[error("cannot create an HTTP client for EXECUTOR_URL or JUDGE0_URL")]
    Fallback(#[from] ClientError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
}
