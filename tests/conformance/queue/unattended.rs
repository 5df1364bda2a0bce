//! The suite's jobs as unattended jobs.
//!
//! Their replies come back through the consumer that records them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OnceCell, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::reply::Reply;
use warren_protocol::time::Deadline;
use warren_queue::{
    ApiQueue, Callback, CallbackDelivery, Deliveries, PendingReply, Prefetch, QueueError,
    QueueLink, QueueStatus, SubmitError, Unclaimed, WorkerQueue,
};

use super::fixture::{Fixture, Worker};

/// A queue of which the suite uses the other class of jobs.
pub struct Unattended<F>(pub F);

#[async_trait]
impl<F: Fixture> Fixture for Unattended<F> {
    async fn new() -> anyhow::Result<Self> {
        F::new().await.map(Self)
    }

    async fn with_room_for(jobs: u32) -> anyhow::Result<Self> {
        F::with_room_for(jobs).await.map(Self)
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

    async fn sever(&self, worker: &Worker) -> anyhow::Result<()> {
        self.0.sever(worker).await
    }
}

type Expected = HashMap<JobId, oneshot::Sender<Reply>>;

/// A handle of the queue that speaks of unattended jobs only: it queues jobs as such, looks for
/// their replies among the recorded, and counts those that wait.
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

    /// Takes the recorded replies from now on.
    async fn record(&self) -> Result<(), QueueError> {
        let mut unclaimed = self.queue.unclaimed(CancellationToken::new()).await?;
        let replies = Arc::clone(&self.replies);
        tokio::spawn(async move {
            while let Some(recorded) = unclaimed.recv().await {
                let job = recorded.reply.job_id;
                let expected = lock(&replies).remove(&job);
                if let Some(expected) = expected {
                    // The test may have let go of its wait.
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

/// The same with the two classes of jobs exchanged.
fn exchanged(status: QueueStatus) -> QueueStatus {
    QueueStatus {
        waiting: status.unattended,
        unattended: status.waiting,
        ..status
    }
}

#[async_trait]
impl QueueLink for AsUnattended {
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        self.queue.status().await.map(exchanged)
    }

    async fn publish_event(&self, event: &JobEvent) {
        self.queue.publish_event(event).await;
    }

    async fn close(&self, grace: Duration) {
        self.queue.close(grace).await;
    }
}

#[async_trait]
impl ApiQueue for AsUnattended {
    async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.replies).insert(job.id, sender);
        self.queue.submit_unattended(job).await?;
        self.recording
            .get_or_try_init(|| self.record())
            .await
            .map_err(|_closed| SubmitError::Unavailable)?;
        Ok(PendingReply::new(receiver, Box::new(())))
    }

    async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
        self.queue.submit_unattended(job).await
    }

    async fn withdraw(&self, job: JobId, deadline: Deadline) {
        self.queue.withdraw(job, deadline).await;
    }

    async fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<Unclaimed>, QueueError> {
        self.queue.unclaimed(stop).await
    }

    async fn queue_callback(&self, callback: &Callback) -> Result<(), QueueError> {
        self.queue.queue_callback(callback).await
    }

    async fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<CallbackDelivery>, QueueError> {
        self.queue.callbacks(prefetch, stop).await
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

#[async_trait]
impl QueueLink for WorkerOfUnattended {
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        self.queue.status().await.map(exchanged)
    }

    async fn publish_event(&self, event: &JobEvent) {
        self.queue.publish_event(event).await;
    }

    async fn close(&self, grace: Duration) {
        self.queue.close(grace).await;
    }
}

#[async_trait]
impl WorkerQueue for WorkerOfUnattended {
    async fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<Deliveries, QueueError> {
        self.queue.deliveries(prefetch, stop).await
    }

    async fn announce(&self, status: &WorkerStatus) {
        self.queue.announce(status).await;
    }
}
