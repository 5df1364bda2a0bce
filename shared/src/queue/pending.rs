//! A caller's place in the line: the reply to come.

use tokio::sync::oneshot;

use crate::queue::QueueError;
use crate::reply::Reply;
use crate::time::Deadline;

/// The reply to a submitted job, to be waited for. Dropping it forgets the waiter; a reply that
/// comes later is [`crate::queue::JobQueue::unclaimed`].
pub struct PendingReply {
    reply: oneshot::Receiver<Reply>,
    // What came before anybody asked for it.
    early: Option<Reply>,
    // Takes the waiter out of the register when the caller goes away.
    _registration: Box<dyn Send + Sync>,
}

/// How a wait ended without a reply.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The deadline came first.
    #[error("no reply by the deadline")]
    TimedOut,
    /// The reply can no longer arrive here.
    #[error(transparent)]
    Lost(#[from] QueueError),
}

impl PendingReply {
    /// A wait for what `reply` receives; `registration` is dropped with it.
    #[must_use]
    pub fn new(reply: oneshot::Receiver<Reply>, registration: Box<dyn Send + Sync>) -> Self {
        Self {
            reply,
            early: None,
            _registration: registration,
        }
    }

    /// Waits until the reply is here, and keeps it; goes on for ever if it cannot arrive.
    pub(super) async fn arrived(&mut self) {
        if self.early.is_none() {
            match (&mut self.reply).await {
                Ok(reply) => self.early = Some(reply),
                Err(_closed) => std::future::pending().await,
            }
        }
    }

    /// Waits until the reply is here or the deadline passes.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(&mut self, deadline: Deadline) -> Result<Reply, WaitError> {
        if let Some(reply) = self.early.take() {
            return Ok(reply);
        }
        match tokio::time::timeout(deadline.remaining(), &mut self.reply).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_closed)) => Err(WaitError::Lost(QueueError::Disconnected)),
            Err(_elapsed) => Err(WaitError::TimedOut),
        }
    }

    /// Gives the wait up. What came in the meantime is handed out, and what comes from now on is
    /// [`crate::queue::JobQueue::unclaimed`]: no reply falls between the two.
    #[must_use]
    pub fn abandon(mut self) -> Option<Reply> {
        self.reply.close();
        self.early.take().or_else(|| self.reply.try_recv().ok())
    }
}
