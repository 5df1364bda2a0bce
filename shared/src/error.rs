//! The crate's one error type.

use crate::config::Faults;
use crate::languages::LanguagesError;
use crate::queue::QueueError;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything of ours that can fail in this crate. What a caller did wrong is not here but in
/// [`crate::contract::Refusal`]; what a user's program did is an [`crate::outcome::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment holds values that cannot be used.
    #[error(transparent)]
    Config(#[from] Faults),
    /// The language file cannot be used.
    #[error(transparent)]
    Languages(#[from] LanguagesError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
}
