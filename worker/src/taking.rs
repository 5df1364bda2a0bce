//! Takes jobs off the queue while this worker can run them, and leaves them to others while it
//! cannot.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_queue::WorkerQueue;

use crate::Result;
use crate::consume::consume;
use crate::execute::Executor;
use crate::readiness::{Readiness, State};
use crate::slots::Slots;
use crate::unattended::UnattendedScheduler;

/// What taking jobs needs.
pub(crate) struct Taking {
    pub(crate) queue: Arc<dyn WorkerQueue>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) slots: Slots,
    pub(crate) scheduler: UnattendedScheduler,
    pub(crate) readiness: Readiness,
    /// The jobs that were begun.
    pub(crate) running: TaskTracker,
    /// Ends the worker's patience with them: they go back to the queue.
    pub(crate) grace_over: CancellationToken,
}

impl Taking {
    /// Takes jobs until `stop`, whenever the worker is ready.
    ///
    /// # Errors
    /// The queue cannot deliver to this worker at all.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut state = self.readiness.state();
        loop {
            let ready = state.wait_for(|state| *state == State::Ready);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = ready => {}
            }
            let pause = stop.child_token();
            let mut consuming = Box::pin(consume(
                Arc::clone(&self.queue),
                Arc::clone(&self.executor),
                (self.slots.clone(), self.scheduler.clone()),
                self.running.clone(),
                (pause.clone(), self.grace_over.clone()),
            ));
            let unready = state.wait_for(|state| *state != State::Ready);
            tokio::select! {
                biased;
                ended = &mut consuming => return ended,
                _ = unready => {}
            }
            // What was fetched and not begun goes back, for workers that can run it.
            pause.cancel();
            consuming.await?;
        }
    }
}
