//! Takes jobs off the queue and sees each through to its settled delivery.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use warren_shared::job::Job;
use warren_shared::outcome::Outcome;
use warren_shared::queue::{Delivery, JobClass, JobQueue, Offer, Prefetch};
use warren_shared::reply::{FailureCode, JobFailure, Progress, Reply};

use crate::Result;
use crate::execute::Executor;
use crate::slots::Slots;
use crate::suspects::alone;
use crate::unattended::{Gate, Pass};

/// Runs jobs from `queue` until `stop`; those begun go on in `running`, and those that still run
/// when `grace_over` is cancelled go back.
///
/// # Errors
/// The queue cannot deliver to this worker at all.
pub async fn consume(
    queue: Arc<dyn JobQueue>,
    executor: Arc<Executor>,
    (slots, gate): (Slots, Gate),
    running: TaskTracker,
    (stop, grace_over): (CancellationToken, CancellationToken),
) -> Result<()> {
    let mut deliveries = queue
        .deliveries(Prefetch(slots.count()), stop.clone())
        .await?;
    while let Some(offer) = deliveries.recv().await {
        let delivery = match offer {
            Offer::Job(delivery) => delivery,
            Offer::Suspect(turn) => {
                let (executor, slots) = (Arc::clone(&executor), slots.clone());
                let (stop, grace_over) = (stop.clone(), grace_over.clone());
                // Takes its time, in which jobs go on being taken.
                running.spawn(async move {
                    if let Some((suspect, slots)) = alone(turn, &slots, &stop).await {
                        run(suspect, slots, &executor, &grace_over).await;
                    }
                });
                continue;
            }
        };
        if delivery.class == JobClass::Unattended {
            let (executor, gate) = (Arc::clone(&executor), gate.clone());
            let (stop, grace_over) = (stop.clone(), grace_over.clone());
            // No more at a time than the prefetch.
            running.spawn(async move {
                if let Some((delivery, pass)) = when_due(delivery, &gate, &stop).await {
                    run_on(pass, delivery, &executor, &grace_over).await;
                }
            });
            continue;
        }
        let slot = tokio::select! {
            slot = slots.take() => slot,
            () = stop.cancelled() => None,
        };
        let Some(slot) = slot else {
            // We are stopping; the job goes to another worker, and this was no try of it.
            hand_back(delivery).await;
            continue;
        };
        let (executor, grace_over) = (Arc::clone(&executor), grace_over.clone());
        running.spawn(async move { run(delivery, slot, &executor, &grace_over).await });
    }
    Ok(())
}

async fn run<S>(delivery: Delivery, slot: S, executor: &Executor, grace_over: &CancellationToken) {
    let span = tracing::info_span!("job", job.id = %delivery.job.id, language = %delivery.job.submission.language());
    settle(delivery, executor, grace_over)
        .instrument(span)
        .await;
    drop(slot);
}

/// The unattended job with its slot, once it is its turn; `None` if it is not to be run here.
async fn when_due(
    delivery: Delivery,
    gate: &Gate,
    stop: &CancellationToken,
) -> Option<(Delivery, Pass)> {
    let cancelled = delivery.cancelled();
    let pass = tokio::select! {
        biased;
        () = stop.cancelled() => {
            hand_back(delivery).await;
            return None;
        }
        () = cancelled.cancelled() => None,
        () = tokio::time::sleep(delivery.job.deadline.remaining()) => None,
        pass = gate.pass() => pass,
    };
    // What it waited for may have been its end: whoever fetched it is to see to that.
    let delivery = delivery.if_worth_running()?;
    match pass {
        Some(pass) => Some((delivery, pass)),
        None => {
            hand_back(delivery).await;
            None
        }
    }
}

/// Runs an unattended job until it ends, or its slot is needed for one that somebody waits for.
async fn run_on(
    pass: Pass,
    delivery: Delivery,
    executor: &Executor,
    grace_over: &CancellationToken,
) {
    let (enough, wanted_back) = (CancellationToken::new(), pass.wanted_back());
    let over = async {
        tokio::select! {
            () = grace_over.cancelled() => {}
            () = wanted_back.cancelled() => {}
        }
        enough.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run(delivery, pass, executor, &enough) => {}
        () = over => {}
    }
}

async fn settle(delivery: Delivery, executor: &Executor, grace_over: &CancellationToken) {
    let job = &delivery.job;
    let cancelled = delivery.cancelled();
    let result = tokio::select! {
        result = execute((job, delivery.class), &cancelled, executor) => result,
        () = grace_over.cancelled() => return hand_back(delivery).await,
    };
    match &result {
        Ok(outcome) => tracing::info!(status = outcome.status().as_str(), "answered"),
        Err(failure) if failure.code == FailureCode::Cancelled => {
            tracing::info!(%failure, "cancelled");
        }
        Err(failure) => tracing::warn!(%failure, "answered with a failure"),
    }
    let reply = Reply::new(job.id, result).about(job.clone());
    if let Err(error) = delivery.reply(reply).await {
        tracing::warn!(%error, "the reply was not confirmed; the job may be delivered again");
    }
}

/// Runs the job, for as long as anybody wants it. Whoever lets go of a run ends its container.
async fn execute(
    (job, class): (&Job, JobClass),
    cancelled: &CancellationToken,
    executor: &Executor,
) -> Result<Outcome, JobFailure> {
    if cancelled.is_cancelled() {
        return Err(JobFailure::cancelled(Progress::NotBegun));
    }
    if job.version != Job::VERSION || job.deadline.has_passed() {
        return Err(refusal(job));
    }
    let ran = cancelled
        .run_until_cancelled(executor.execute(job, class))
        .await;
    ran.unwrap_or_else(|| Err(JobFailure::cancelled(Progress::Running)))
}

async fn hand_back(delivery: Delivery) {
    let job = delivery.job.id;
    match delivery.requeue().await {
        Ok(()) => tracing::info!(job.id = %job, "handed back"),
        Err(error) => {
            tracing::warn!(job.id = %job, %error, "a job could not be handed back; the queue does so itself");
        }
    }
}

fn refusal(job: &Job) -> JobFailure {
    if job.version == Job::VERSION {
        JobFailure::deadline_passed()
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
