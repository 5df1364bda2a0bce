//! The crate's one error type.

use warren_outbound::ClientError;
use warren_queue::QueueError;

use crate::store::StoreError;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything of ours that can keep the API from serving. What a caller is answered is a
/// [`warren_protocol::contract::Problem`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No requests can be made to the fallbacks.
    #[error("no client for EXECUTOR_URL or JUDGE0_URL can be made")]
    Fallback(#[from] ClientError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
}
