//! Sees a delivered job through to its settled delivery: answered or handed back.

use std::num::NonZeroU16;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};
use warren_protocol::event::{Happened, JobEvent, PUBLISHED_AFTER};
use warren_protocol::job::Job;
use warren_protocol::outcome::Outcome;
use warren_protocol::reply::{FailureCode, JobFailure, Progress, Reply};
use warren_queue::{Delivery, JobClass, WorkerQueue};

use crate::metrics::RetryCause;
use crate::run::Executor;
use crate::slots::spare::SpareSlots;

/// The time after which a slot is free although the reply of its job is not confirmed. The broker's
/// confirmation takes milliseconds, so the connection is lost by then.
const SLOT_KEPT_FOR: Duration = Duration::from_secs(3);

/// Runs delivered jobs and settles their deliveries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Settler {
    pub(crate) executor: Arc<Executor>,
    pub(crate) queue: Arc<dyn WorkerQueue>,
    /// Hands back what still runs, once it is cancelled.
    pub(crate) hand_back_now: CancellationToken,
    pub(crate) replies: Replies,
}

/// The replies that wait for their confirmation. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replies {
    tasks: TaskTracker,
    /// Room for those whose slots are free again.
    room: Arc<Semaphore>,
}

impl Replies {
    /// Creates a hold for the replies of a worker with so many slots: as many again may wait.
    pub(crate) fn new(slots: NonZeroU16) -> Self {
        Self {
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(slots.get().into())),
        }
    }

    /// Waits until every reply is confirmed or given up, and no further one is expected.
    pub(crate) async fn all_sent(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns how many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.tasks.len()
    }
}

impl Settler {
    /// Runs the job on `slot`, further runs of it on slots of `spare`, and has its delivery settled in
    /// the background. The slot is free once the reply is confirmed, or is held with others for a
    /// connection that was lost.
    pub(crate) async fn run<S: Send + 'static>(
        &self,
        delivery: Delivery,
        slot: S,
        spare: Option<&dyn SpareSlots>,
    ) {
        let job = &delivery.job;
        let span = tracing::info_span!("job", job.id = %job.id, language = %job.submission.language(), trace_id = tracing::field::Empty);
        warren_telemetry::join(&span, job.traceparent.as_deref());
        self.settle(delivery, slot, spare).instrument(span).await;
    }

    /// Gives the job back to the queue, for another worker.
    pub(crate) async fn hand_back(&self, delivery: Delivery) {
        self.executor.metrics().count_retry(RetryCause::HandedBack);
        let job = delivery.job.id;
        match delivery.requeue().await {
            Ok(()) => tracing::info!(job.id = %job, "handed back"),
            Err(error) => {
                tracing::warn!(job.id = %job, %error, "failed to hand a job back; the queue requeues it by itself");
            }
        }
    }

    async fn settle<S: Send + 'static>(
        &self,
        delivery: Delivery,
        slot: S,
        spare: Option<&dyn SpareSlots>,
    ) {
        let cancelled = delivery.cancelled();
        let result = tokio::select! {
            // In this order: a job that is not begun must not be announced.
            biased;
            result = self.execute(&delivery.job, delivery.class, &cancelled, spare) => result,
            never = self.publish_running(&delivery.job) => never,
            () = self.hand_back_now.cancelled() => return self.hand_back(delivery).await,
        };
        log(&result);
        let job = &delivery.job;
        let reply = Reply::new(job.id, result).about(job.clone());
        // A task of its own: what was run is not lost with whatever waits for the run.
        let replying = self.clone().reply(delivery, reply, slot);
        let replying = replying.instrument(Span::current());
        self.replies.tasks.spawn(replying);
    }

    /// Sends the reply until it is confirmed, over as many connections as that takes.
    async fn reply<S>(self, delivery: Delivery, reply: Reply, slot: S) {
        let span = tracing::info_span!("reply", job.id = %reply.job_id);
        let mut sending = pin!(delivery.reply(reply).instrument(span));
        let mut slot = Some(slot);
        let waits_long = async {
            tokio::time::sleep(SLOT_KEPT_FOR).await;
            // While there is no room the slot stays taken, so replies cannot pile up.
            self.replies.room.acquire().await
        };
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            room = waits_long => {
                tracing::warn!("the reply waits for a connection to the queue; keeping it");
                drop(slot.take());
                let sent = sending.await;
                drop(room);
                sent
            }
        };
        drop(slot);
        if let Err(error) = sent {
            self.executor.metrics().count_retry(RetryCause::Unconfirmed);
            tracing::warn!(%error, "the reply was not confirmed; the job may be delivered again");
        }
    }

    /// Runs the job until it ends or is cancelled. Dropping the run ends its containers.
    async fn execute(
        &self,
        job: &Job,
        class: JobClass,
        cancelled: &CancellationToken,
        spare: Option<&dyn SpareSlots>,
    ) -> Result<Outcome, JobFailure> {
        if cancelled.is_cancelled() {
            return Err(JobFailure::cancelled(Progress::NotBegun));
        }
        if job.version != Job::VERSION {
            return Err(unsupported(job));
        }
        if job.deadline.has_passed() {
            return Err(JobFailure::deadline_passed());
        }
        let begun = job.begun();
        let running = cancelled.run_until_cancelled(self.executor.execute(&begun, class, spare));
        let ran = running.await;
        ran.unwrap_or_else(|| Err(JobFailure::cancelled(Progress::Running)))
    }

    /// Publishes the job's `running` event to every API; never returns. For a job that a caller
    /// waits for, the event is only worth publishing if the job takes a while.
    async fn publish_running(&self, job: &Job) -> ! {
        if job.budget.is_none() {
            tokio::time::sleep(PUBLISHED_AFTER).await;
        }
        let worker = self.executor.instance().clone();
        let event = JobEvent::now(job.id, Happened::Running { worker });
        self.queue.publish_event(&event).await;
        std::future::pending().await
    }
}

fn log(result: &Result<Outcome, JobFailure>) {
    match result {
        Ok(outcome) => {
            let status = outcome.status().as_str();
            warren_telemetry::note(&Span::current(), "warren.verdict", status);
            tracing::info!(status, "answered");
        }
        Err(failure) if failure.code == FailureCode::Cancelled => {
            tracing::info!(%failure, "cancelled");
        }
        Err(failure) => tracing::warn!(%failure, "answered with a failure"),
    }
}

fn unsupported(job: &Job) -> JobFailure {
    JobFailure {
        code: FailureCode::UnsupportedJob,
        message: format!(
            "this worker runs jobs of version {}, not {}; run workers and APIs of one version",
            Job::VERSION,
            job.version
        ),
    }
}
