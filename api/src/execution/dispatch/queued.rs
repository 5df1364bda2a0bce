//! Queue backend: submits a job, waits for its reply, cancels on hang-up.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout_at;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, PendingReply, WaitError};

use super::DispatchError;
use crate::history::Recorder;
use crate::store::Execution;
use warren_http::Budget;

pub(super) async fn run(
    queue: &Arc<dyn ApiQueue>,
    job: &Job,
    budget: Budget,
    recorder: &Recorder,
) -> Result<Reply, DispatchError> {
    let mut waiting = ReplyWait {
        stage: WaitStage::Submitting,
        queue,
        job,
        recorder,
    };
    let result = waiting.reply(budget).await;
    waiting.end();
    result
}

/// A wait for a reply, to be ended with [`ReplyWait::end`]. Dropping it without that means that the
/// caller has hung up, at whichever stage the wait was.
struct ReplyWait<'a> {
    stage: WaitStage,
    queue: &'a Arc<dyn ApiQueue>,
    job: &'a Job,
    recorder: &'a Recorder,
}

enum WaitStage {
    /// The queue may have the job.
    Submitting,
    /// The queue has it.
    Submitted(Box<PendingReply>),
    /// The wait has ended.
    Over,
}

impl ReplyWait<'_> {
    async fn reply(&mut self, budget: Budget) -> Result<Reply, DispatchError> {
        // Bounded here, too: a queue that exceeds its own bound must not hold the caller.
        let submitted = timeout_at(budget.answer_by(), self.queue.submit(self.job)).await;
        let pending = submitted.map_err(|_elapsed| DispatchError::TimedOut)??;
        self.stage = WaitStage::Submitted(Box::new(pending));
        let WaitStage::Submitted(pending) = &mut self.stage else {
            return Err(DispatchError::TimedOut);
        };
        let reply = pending.wait(Deadline::after(budget.left())).await;
        reply.map_err(|error| match error {
            WaitError::TimedOut => DispatchError::TimedOut,
            WaitError::Lost(error) => DispatchError::Lost(error),
        })
    }

    /// Ends the wait, since the caller is about to be answered. The job, if there is one, goes on:
    /// the answer says where its result will be.
    fn end(&mut self) {
        if let WaitStage::Submitted(pending) = std::mem::replace(&mut self.stage, WaitStage::Over)
            && let Some(reply) = pending.abandon()
        {
            self.record(reply);
        }
    }

    /// Records a reply that arrived just when the wait ended, because the queue has delivered it
    /// already.
    fn record(&self, mut reply: Reply) {
        reply.job.get_or_insert_with(|| Box::new(self.job.clone()));
        self.recorder.record(Execution::of_unclaimed(reply));
    }

    /// Cancels the job, which is no longer wanted. Bounded by the queue.
    fn cancel(&self) {
        let (queue, job) = (Arc::clone(self.queue), self.job.id);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            queue.cancel(job).await;
            tracing::info!(job.id = %job, "the caller hung up");
        });
    }
}

impl Drop for ReplyWait<'_> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.stage, WaitStage::Over) {
            WaitStage::Submitting => self.cancel(),
            WaitStage::Submitted(pending) => match pending.abandon() {
                Some(reply) => self.record(reply),
                None => self.cancel(),
            },
            WaitStage::Over => {}
        }
    }
}
