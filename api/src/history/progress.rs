//! Progress of the recorder: one write, and all that wait.

use std::time::Duration;

use tokio::sync::oneshot;

/// A handle to a write that is under way.
#[derive(Debug)]
pub struct Written(pub(super) oneshot::Receiver<()>);

impl Written {
    /// Waits for the write for at most `patience`, and returns whether it succeeded.
    pub async fn within(self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.0).await, Ok(Ok(())))
    }
}

/// The state of the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Executions that no writer has taken yet.
    pub waiting: usize,
    /// Whether the last write failed.
    pub failing: bool,
    /// Executions that were never recorded, since this process started: the buffer was full, or
    /// the store refused them.
    pub lost: u64,
    /// Whether the last of them was lost in the last five minutes.
    pub losing: bool,
}
