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
    ApiQueue, Callback, CallbackDelivery, Deliveries, PendingReply, Prefetch, QueueError,
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
        Box::pin(async move { self.0.sever(worker).await })
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
    fn status<'a>(&'a self) -> BoxFuture<'a, Result<QueueStatus, QueueError>> {
        Box::pin(async move { self.queue.status().await.map(exchanged) })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.publish_event(event).await;
        })
    }

    fn close<'a>(&'a self, grace: Duration) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.close(grace).await;
        })
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
        Box::pin(async move { self.queue.submit_unattended(job).await })
    }

    fn withdraw<'a>(&'a self, job: JobId, deadline: Deadline) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.withdraw(job, deadline).await;
        })
    }

    fn unclaimed<'a>(
        &'a self,
        stop: CancellationToken,
    ) -> BoxFuture<'a, Result<mpsc::Receiver<Unclaimed>, QueueError>> {
        Box::pin(async move { self.queue.unclaimed(stop).await })
    }

    fn queue_callback<'a>(
        &'a self,
        callback: &'a Callback,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move { self.queue.queue_callback(callback).await })
    }

    fn callbacks<'a>(
        &'a self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'a, Result<mpsc::Receiver<CallbackDelivery>, QueueError>> {
        Box::pin(async move { self.queue.callbacks(prefetch, stop).await })
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
    fn status<'a>(&'a self) -> BoxFuture<'a, Result<QueueStatus, QueueError>> {
        Box::pin(async move { self.queue.status().await.map(exchanged) })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.publish_event(event).await;
        })
    }

    fn close<'a>(&'a self, grace: Duration) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.close(grace).await;
        })
    }
}

impl WorkerQueue for WorkerOfUnattended {
    fn deliveries<'a>(
        &'a self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'a, Result<Deliveries, QueueError>> {
        Box::pin(async move { self.queue.deliveries(prefetch, stop).await })
    }

    fn announce<'a>(&'a self, status: &'a WorkerStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.queue.announce(status).await;
        })
    }
}
