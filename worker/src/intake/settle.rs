//! Sees a delivered job through to its settled delivery: answered or handed back.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use warren_protocol::event::{Happened, JobEvent, PUBLISHED_AFTER};
use warren_protocol::job::Job;
use warren_protocol::outcome::Outcome;
use warren_protocol::reply::{FailureCode, JobFailure, Progress, Reply};
use warren_queue::{Delivery, JobClass, WorkerQueue};

use crate::metrics::RetryCause;
use crate::run::Executor;

/// Runs delivered jobs and settles their deliveries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Settler {
    pub(crate) executor: Arc<Executor>,
    pub(crate) queue: Arc<dyn WorkerQueue>,
    /// Hands back what still runs, once it is cancelled.
    pub(crate) hand_back_now: CancellationToken,
}

impl Settler {
    /// Runs the job and settles its delivery; then frees `slot`.
    pub(crate) async fn run<S>(&self, delivery: Delivery, slot: S) {
        let job = &delivery.job;
        let span = tracing::info_span!("job", job.id = %job.id, language = %job.submission.language(), trace_id = tracing::field::Empty);
        warren_telemetry::join(&span, job.traceparent.as_deref());
        self.settle(delivery).instrument(span).await;
        drop(slot);
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

    async fn settle(&self, delivery: Delivery) {
        let cancelled = delivery.cancelled();
        let result = tokio::select! {
            // In this order: a job that is not begun must not be announced.
            biased;
            result = self.execute(&delivery.job, delivery.class, &cancelled) => result,
            never = self.publish_running(&delivery.job) => never,
            () = self.hand_back_now.cancelled() => return self.hand_back(delivery).await,
        };
        log(&result);
        let job = &delivery.job;
        let reply = Reply::new(job.id, result).about(job.clone());
        let replying = tracing::info_span!("reply", job.id = %job.id);
        if let Err(error) = delivery.reply(reply).instrument(replying).await {
            self.executor.metrics().count_retry(RetryCause::Unconfirmed);
            tracing::warn!(%error, "the reply was not confirmed; the job may be delivered again");
        }
    }

    /// Runs the job until it ends or is cancelled. Dropping the run ends its container.
    async fn execute(
        &self,
        job: &Job,
        class: JobClass,
        cancelled: &CancellationToken,
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
        let running = cancelled.run_until_cancelled(self.executor.execute(&begun, class));
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
