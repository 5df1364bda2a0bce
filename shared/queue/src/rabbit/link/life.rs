//! The background tasks of a queue handle, and the order in which they end.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The background tasks of one handle, and the tokens that end them.
pub(crate) struct Life {
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) consuming: TaskTracker,
}

impl Life {
    /// Creates tasks that end with `stop`.
    pub(crate) fn until(stop: &CancellationToken) -> Self {
        Self {
            stop: stop.child_token(),
            tasks: TaskTracker::new(),
            consuming: TaskTracker::new(),
        }
    }

    /// Returns a token that is cancelled once the consuming side has ended, whose last messages
    /// have to be published.
    pub(crate) fn publishing(&self) -> CancellationToken {
        let last = CancellationToken::new();
        let (stop, consuming, ended) = (self.stop.clone(), self.consuming.clone(), last.clone());
        self.tasks.spawn(async move {
            stop.cancelled().await;
            consuming.close();
            consuming.wait().await;
            ended.cancel();
        });
        last
    }

    /// Ends all tasks, and waits for them within `grace`.
    pub(crate) async fn close(&self, grace: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("failed to close the connections to RabbitMQ in time; leaving them");
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
