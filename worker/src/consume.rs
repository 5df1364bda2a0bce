//! Takes jobs off the queue and sees each through to its settled delivery.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use warren_shared::job::Job;
use warren_shared::queue::{Delivery, JobQueue, Prefetch};
use warren_shared::reply::{FailureCode, JobFailure, Reply};

use crate::Result;
use crate::execute::Executor;
use crate::slots::Slots;

/// Runs jobs from `queue` until `stop`; those begun go on in `running`.
///
/// # Errors
/// The queue cannot deliver to this worker at all.
pub async fn consume(
    queue: Arc<dyn JobQueue>,
    executor: Arc<Executor>,
    slots: Slots,
    running: TaskTracker,
    stop: CancellationToken,
) -> Result<()> {
    let mut deliveries = queue
        .deliveries(Prefetch(slots.count()), stop.clone())
        .await?;
    while let Some(delivery) = deliveries.recv().await {
        let slot = tokio::select! {
            slot = slots.take() => slot,
            () = stop.cancelled() => None,
        };
        let Some(slot) = slot else {
            // We are stopping; the job goes to another worker, and this was no try of it.
            if let Err(error) = delivery.requeue().await {
                tracing::warn!(%error, "a job could not be handed back; the queue does so itself");
            }
            continue;
        };
        let executor = Arc::clone(&executor);
        let span = tracing::info_span!("job", job.id = %delivery.job.id, language = %delivery.job.submission.language());
        let job = async move {
            settle(delivery, &executor).await;
            drop(slot);
        };
        running.spawn(job.instrument(span));
    }
    Ok(())
}

async fn settle(delivery: Delivery, executor: &Executor) {
    let job = &delivery.job;
    let result = if job.version == Job::VERSION && !job.deadline.has_passed() {
        tracing::info!("begun");
        executor.execute(job).await
    } else {
        Err(refusal(job))
    };
    match &result {
        Ok(outcome) => tracing::info!(status = outcome.status().as_str(), "answered"),
        Err(failure) => tracing::warn!(%failure, "answered with a failure"),
    }
    let reply = Reply::new(job.id, result).about(job.clone());
    if let Err(error) = delivery.reply(reply).await {
        tracing::warn!(%error, "the reply was not confirmed; the job may be delivered again");
    }
}

fn refusal(job: &Job) -> JobFailure {
    if job.version == Job::VERSION {
        let message = "the job's deadline passed before a worker could take it".to_owned();
        JobFailure {
            code: FailureCode::DeadlinePassed,
            message,
        }
    } else {
        let message = format!(
            "this worker runs jobs of version {}, not {}",
            Job::VERSION,
            job.version
        );
        JobFailure {
            code: FailureCode::UnsupportedJob,
            message,
        }
    }
}
