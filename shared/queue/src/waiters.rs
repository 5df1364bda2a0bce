//! The register of waiting callers, which correlates replies with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{PendingReply, SubmitError};
use warren_protocol::ids::JobId;
use warren_protocol::reply::Reply;

/// The most callers that wait at a time in one process: as many as jobs may be queued.
pub(super) const MAX_WAITERS: usize = super::MAX_QUEUED_JOBS as usize;

/// The reply queue that a waiter waits on. A lost reply queue ends its epoch, and with it all waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(pub(super) u64);

/// The register of one process.
#[derive(Default)]
pub(super) struct Waiters(Mutex<WaitingCallers>);

#[derive(Default)]
struct WaitingCallers {
    epoch: Option<Epoch>,
    waiting: HashMap<JobId, oneshot::Sender<Reply>>,
}

impl Waiters {
    /// Opens the epoch: replies can arrive from now on.
    pub(super) fn open(&self, epoch: Epoch) {
        self.lock().epoch = Some(epoch);
    }

    /// Ends every wait now, because replies can no longer arrive. No new wait begins.
    pub(super) fn fail_all(&self) {
        let waiting = {
            let mut register = self.lock();
            register.epoch = None;
            std::mem::take(&mut register.waiting)
        };
        if !waiting.is_empty() {
            tracing::warn!(
                waiters = waiting.len(),
                "reply queue lost: the replies to these jobs cannot arrive here any more"
            );
        }
    }

    /// Registers a waiter. It is forgotten when the result is dropped.
    pub(super) fn register(
        self: &Arc<Self>,
        epoch: Epoch,
        job: JobId,
    ) -> Result<PendingReply, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        let mut register = self.lock();
        if register.epoch != Some(epoch) {
            return Err(SubmitError::Unavailable);
        }
        if register.waiting.len() >= MAX_WAITERS {
            return Err(SubmitError::Full);
        }
        register.waiting.insert(job, sender);
        Ok(PendingReply::new(
            receiver,
            Box::new(Registration {
                waiters: Arc::clone(self),
                job,
            }),
        ))
    }

    /// Hands the reply to its waiter; gives it back if there is none.
    #[must_use]
    pub(super) fn claim(&self, reply: Reply) -> Option<Reply> {
        let waiter = self.lock().waiting.remove(&reply.job_id);
        match waiter {
            Some(waiter) => waiter.send(reply).err(),
            None => Some(reply),
        }
    }

    fn lock(&self) -> MutexGuard<'_, WaitingCallers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Registration {
    waiters: Arc<Waiters>,
    job: JobId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.waiters.lock().waiting.remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WaitError;
    use std::time::Duration;
    use warren_protocol::reply::{FailureCode, JobFailure};
    use warren_protocol::time::Deadline;

    fn reply(job: JobId) -> Reply {
        Reply::new(
            job,
            Err(JobFailure {
                code: FailureCode::SandboxUnavailable,
                message: "none".to_owned(),
            }),
        )
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn a_reply_reaches_its_waiter_once() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        let job = JobId::new();
        let mut pending = waiters.register(Epoch(1), job).unwrap();
        assert_eq!(waiters.claim(reply(job)), None);
        assert_eq!(waiters.claim(reply(job)), Some(reply(job)));
        assert_eq!(pending.wait(soon()).await.unwrap(), reply(job));
    }

    #[tokio::test]
    async fn a_reply_that_arrives_before_the_wait_is_kept() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        for abandoned in [false, true] {
            let job = JobId::new();
            let mut pending = waiters.register(Epoch(1), job).unwrap();
            assert_eq!(waiters.claim(reply(job)), None);
            pending.arrived().await;
            pending.arrived().await;
            let kept = if abandoned {
                pending.abandon()
            } else {
                pending.wait(soon()).await.ok()
            };
            assert_eq!(kept, Some(reply(job)));
        }
    }

    #[tokio::test]
    async fn a_dropped_wait_leaves_no_trace() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        let job = JobId::new();
        drop(waiters.register(Epoch(1), job).unwrap());
        assert!(waiters.lock().waiting.is_empty());
        assert_eq!(waiters.claim(reply(job)), Some(reply(job)));
    }

    #[tokio::test]
    async fn a_lost_reply_queue_ends_its_waits_at_once() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        let mut pending = waiters.register(Epoch(1), JobId::new()).unwrap();
        waiters.fail_all();
        assert!(matches!(
            pending.wait(soon()).await,
            Err(WaitError::Lost(_))
        ));
        assert_eq!(
            waiters.register(Epoch(1), JobId::new()).err(),
            Some(SubmitError::Unavailable)
        );
        // A holder of the old reply queue's name must not wait on the new one.
        waiters.open(Epoch(2));
        assert_eq!(
            waiters.register(Epoch(1), JobId::new()).err(),
            Some(SubmitError::Unavailable)
        );
        assert!(waiters.register(Epoch(2), JobId::new()).is_ok());
    }

    #[tokio::test]
    async fn a_reply_queue_lost_while_a_job_is_published_ends_the_wait_that_follows() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        for abandoned in [false, true] {
            let mut pending = waiters.register(Epoch(1), JobId::new()).unwrap();
            waiters.fail_all();
            waiters.open(Epoch(1));
            // As while the broker's confirm is waited for, which comes first.
            tokio::select! {
                biased;
                () = pending.arrived() => panic!("nothing arrived"),
                () = tokio::task::yield_now() => {}
            }
            if abandoned {
                assert_eq!(pending.abandon(), None);
            } else {
                let ended = pending.wait(soon()).await;
                assert!(matches!(ended, Err(WaitError::Lost(_))), "{ended:?}");
            }
        }
    }

    #[tokio::test]
    async fn waiters_are_bounded() {
        let waiters = Arc::new(Waiters::default());
        waiters.open(Epoch(1));
        let held: Vec<_> = (0..MAX_WAITERS)
            .map(|_| waiters.register(Epoch(1), JobId::new()).unwrap())
            .collect();
        assert_eq!(
            waiters.register(Epoch(1), JobId::new()).err(),
            Some(SubmitError::Full)
        );
        drop(held);
        assert!(waiters.register(Epoch(1), JobId::new()).is_ok());
    }
}
