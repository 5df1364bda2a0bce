//! A job's way through the queue: submit, then wait for the reply.

use tokio::time::timeout_at;
use warren_shared::job::Job;
use warren_shared::queue::{JobQueue, PendingReply, WaitError};
use warren_shared::reply::Reply;
use warren_shared::time::Deadline;

use super::DispatchError;
use crate::store::{Execution, Recorder};
use warren_http::Budget;

pub(super) async fn run(
    queue: &dyn JobQueue,
    job: &Job,
    budget: Budget,
    recorder: &Recorder,
) -> Result<Reply, DispatchError> {
    // A queue that forgets its own bound must not hold the caller.
    let submitted = timeout_at(budget.answer_by(), queue.submit(job)).await;
    let mut waiting = Waiting {
        pending: Some(submitted.map_err(|_elapsed| DispatchError::TimedOut)??),
        job,
        recorder,
    };
    waiting.reply(Deadline::after(budget.left())).await
}

/// A wait that loses no reply: one that came in the moment in which the caller went away is
/// recorded here, since the queue has already handed it over.
struct Waiting<'a> {
    pending: Option<PendingReply>,
    job: &'a Job,
    recorder: &'a Recorder,
}

impl Waiting<'_> {
    async fn reply(&mut self, by: Deadline) -> Result<Reply, DispatchError> {
        let Some(pending) = &mut self.pending else {
            return Err(DispatchError::TimedOut);
        };
        let result = pending.wait(by).await;
        if result.is_ok() {
            self.pending = None;
        }
        result.map_err(|error| match error {
            WaitError::TimedOut => DispatchError::TimedOut,
            WaitError::Lost(error) => DispatchError::Lost(error),
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(mut reply) = self.pending.take().and_then(PendingReply::abandon) {
            reply.job.get_or_insert_with(|| Box::new(self.job.clone()));
            self.recorder.record(Execution::of_unclaimed(reply));
        }
    }
}
