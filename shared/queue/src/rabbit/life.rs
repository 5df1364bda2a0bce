//! The background tasks of one handle of the queue, and the order in which they end.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The background tasks of one handle, and when they end.
pub(super) struct Life {
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) consuming: TaskTracker,
}

impl Life {
    /// Tasks that end with `stop`.
    pub(super) fn until(stop: &CancellationToken) -> Self {
        Self {
            stop: stop.child_token(),
            tasks: TaskTracker::new(),
            consuming: TaskTracker::new(),
        }
    }

    /// Ends once the consuming side has: its last messages have to be passed on.
    pub(super) fn publishing(&self) -> CancellationToken {
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
}

impl Life {
    /// Ends all tasks, and waits for them within `grace`.
    pub(super) async fn close(&self, grace: Duration) {
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
