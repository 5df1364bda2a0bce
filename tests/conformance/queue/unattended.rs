//! The suite's jobs as unattended jobs.
//!
//! Their replies come back through the consumer that records them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::reply::Reply;
use warren_protocol::time::Deadline;
use warren_queue::{
    ApiQueue, Callback, CallbackDelivery, Deliveries, JobClass, PendingReply, Prefetch, QueueError,
    QueueLink, QueueStatus, SubmitError, Unclaimed, WorkerQueue,
};

use super::fixture::{Fixture, Worker};

/// A queue of which the suite uses the other class of jobs.
pub struct Unattended<F>(pub F);

impl<F: Fixture> Fixture for Unattended<F> {
    fn new() -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move { F::new().await.map(Self) })
    }

    fn with_room_for(jobs: u32) -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move { F::with_room_for(jobs).await.map(Self) })
    }

    fn api(&self) -> anyhow::Result<Arc<dyn ApiQueue>> {
        Ok(Arc::new(AsUnattended::new(self.0.api()?)))
    }

    fn worker(&self) -> anyhow::Result<Worker> {
        let worker = self.0.worker()?;
        Ok(Worker {
            queue: Arc::new(WorkerOfUnattended {
                queue: worker.queue,
            }),
            ..worker
        })
    }

    fn sever<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(self.0.sever(worker))
    }

    fn tries() -> u32 {
        JobClass::Unattended.max_tries()
    }
}

type Expected = HashMap<JobId, oneshot::Sender<Reply>>;

/// A handle of the queue for unattended jobs only: it queues jobs as such, looks for their replies
/// among the recorded ones, and counts those that wait.
struct AsUnattended {
    queue: Arc<dyn ApiQueue>,
    replies: Arc<Mutex<Expected>>,
    recording: OnceCell<()>,
}

impl AsUnattended {
    fn new(queue: Arc<dyn ApiQueue>) -> Self {
        Self {
            queue,
            replies: Arc::default(),
            recording: OnceCell::new(),
        }
    }

    /// Records replies from now on.
    async fn record(&self) -> Result<(), QueueError> {
        let mut unclaimed = self.queue.unclaimed(CancellationToken::new()).await?;
        let replies = Arc::clone(&self.replies);
        tokio::spawn(async move {
            while let Some(recorded) = unclaimed.recv().await {
                let job = recorded.reply.job_id;
                let expected = lock(&replies).remove(&job);
                if let Some(expected) = expected {
                    // The test may have dropped its wait.
                    drop(expected.send(recorded.reply.clone()));
                }
                recorded.acknowledge();
            }
            lock(&replies).clear();
        });
        Ok(())
    }
}

fn lock(replies: &Mutex<Expected>) -> std::sync::MutexGuard<'_, Expected> {
    replies.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the status with the two classes of jobs exchanged.
fn exchanged(status: QueueStatus) -> QueueStatus {
    QueueStatus {
        waiting: status.unattended,
        unattended: status.waiting,
        ..status
    }
}

impl QueueLink for AsUnattended {
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>> {
        Box::pin(async move { self.queue.status().await.map(exchanged) })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        self.queue.publish_event(event)
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        self.queue.close(grace)
    }
}

impl ApiQueue for AsUnattended {
    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<PendingReply, SubmitError>> {
        Box::pin(async move {
            let (sender, receiver) = oneshot::channel();
            lock(&self.replies).insert(job.id, sender);
            self.queue.submit_unattended(job).await?;
            self.recording
                .get_or_try_init(|| self.record())
                .await
                .map_err(|_closed| SubmitError::Unavailable)?;
            Ok(PendingReply::new(receiver, Box::new(())))
        })
    }

    fn submit_unattended<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), SubmitError>> {
        self.queue.submit_unattended(job)
    }

    fn withdraw(&self, job: JobId, deadline: Deadline) -> BoxFuture<'_, ()> {
        self.queue.withdraw(job, deadline)
    }

    fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Unclaimed>, QueueError>> {
        self.queue.unclaimed(stop)
    }

    fn queue_callback<'a>(
        &'a self,
        callback: &'a Callback,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.queue.queue_callback(callback)
    }

    fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<CallbackDelivery>, QueueError>> {
        self.queue.callbacks(prefetch, stop)
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.queue.workers()
    }

    fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.queue.events()
    }

    fn waiting(&self) -> Option<u32> {
        self.queue.waiting()
    }
}

/// A worker's handle that counts as [`AsUnattended`] does.
struct WorkerOfUnattended {
    queue: Arc<dyn WorkerQueue>,
}

impl QueueLink for WorkerOfUnattended {
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>> {
        Box::pin(async move { self.queue.status().await.map(exchanged) })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        self.queue.publish_event(event)
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        self.queue.close(grace)
    }
}

impl WorkerQueue for WorkerOfUnattended {
    fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<Deliveries, QueueError>> {
        self.queue.deliveries(prefetch, stop)
    }

    fn announce<'a>(&'a self, status: &'a WorkerStatus) -> BoxFuture<'a, ()> {
        self.queue.announce(status)
    }
}
