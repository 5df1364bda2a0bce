//! The reply that a caller waits for.

use tokio::sync::oneshot;

use crate::QueueError;
use warren_protocol::reply::Reply;
use warren_protocol::time::Deadline;

/// The reply to a submitted job, to be waited for. Dropping it forgets the waiter; a reply that
/// arrives later is [`crate::ApiQueue::unclaimed`].
pub struct PendingReply {
    reply: oneshot::Receiver<Reply>,
    early: Early,
    // Takes the waiter out of the register when the caller goes away.
    _registration: Box<dyn Send + Sync>,
}

/// A reply, or its loss, that arrived before the wait. The channel yields each only once.
#[derive(Debug)]
enum Early {
    Nothing,
    Came(Box<Reply>),
    Lost,
}

impl Early {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Nothing)
    }
}

/// The reason why a wait ended without a reply.
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
    /// Creates a wait for the reply that `reply` receives; `registration` is dropped with it.
    #[must_use]
    pub fn new(reply: oneshot::Receiver<Reply>, registration: Box<dyn Send + Sync>) -> Self {
        Self {
            reply,
            early: Early::Nothing,
            _registration: registration,
        }
    }

    /// Waits until the reply is here, and keeps it. Waits forever if it cannot arrive.
    pub(super) async fn arrived(&mut self) {
        if let Early::Nothing = self.early {
            self.early = match (&mut self.reply).await {
                Ok(reply) => Early::Came(Box::new(reply)),
                Err(_closed) => Early::Lost,
            };
        }
        if let Early::Lost = self.early {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the reply is here or the deadline passes.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(&mut self, deadline: Deadline) -> Result<Reply, WaitError> {
        match self.early.take() {
            Early::Came(reply) => return Ok(*reply),
            Early::Lost => return Err(WaitError::Lost(QueueError::Disconnected)),
            Early::Nothing => {}
        }
        match tokio::time::timeout(deadline.remaining(), &mut self.reply).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_closed)) => Err(WaitError::Lost(QueueError::Disconnected)),
            Err(_elapsed) => Err(WaitError::TimedOut),
        }
    }

    /// Abandons the wait. Returns a reply that has arrived in the meantime. One that arrives from
    /// now on is [`crate::ApiQueue::unclaimed`], so no reply falls between the two.
    #[must_use]
    pub fn abandon(mut self) -> Option<Reply> {
        self.reply.close();
        match self.early.take() {
            Early::Came(reply) => Some(*reply),
            Early::Lost => None,
            Early::Nothing => self.reply.try_recv().ok(),
        }
    }
}
