//! Takes jobs off the queue and sees each through to its settled delivery.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};
use warren_protocol::job::Job;
use warren_protocol::outcome::Outcome;
use warren_protocol::reply::{FailureCode, JobFailure, Progress, Reply};
use warren_queue::{Delivery, JobClass, Offer, Prefetch, WorkerQueue};

use crate::Result;
use crate::execute::Executor;
use crate::metrics::Again;
use crate::slots::Slots;
use crate::suspects::alone;
use crate::telling::tell_running;
use crate::unattended::{UnattendedScheduler, UnattendedSlot};

/// Runs jobs from `queue` until `stop`; those begun go on in `running`, and those that still run
/// when `grace_over` is cancelled go back.
///
/// # Errors
/// The queue cannot deliver to this worker at all.
pub async fn consume(
    queue: Arc<dyn WorkerQueue>,
    executor: Arc<Executor>,
    (slots, scheduler): (Slots, UnattendedScheduler),
    running: TaskTracker,
    (stop, grace_over): (CancellationToken, CancellationToken),
) -> Result<()> {
    let mut deliveries = queue
        .deliveries(Prefetch(slots.count()), stop.clone())
        .await?;
    let means = Means {
        executor,
        queue,
        enough: grace_over,
    };
    while let Some(offer) = deliveries.recv().await {
        let delivery = match offer {
            Offer::Job(delivery) => delivery,
            Offer::Suspect(token) => {
                let (means, slots, stop) = (means.clone(), slots.clone(), stop.clone());
                // Takes its time, in which jobs go on being taken.
                running.spawn(async move {
                    if let Some((suspect, slots)) = alone(token, &slots, &stop).await {
                        means.executor.metrics().again(Again::Suspect);
                        run(suspect, slots, &means).await;
                    }
                });
                continue;
            }
        };
        if delivery.class == JobClass::Unattended {
            let (means, scheduler, stop) = (means.clone(), scheduler.clone(), stop.clone());
            // No more at a time than the prefetch.
            running.spawn(async move {
                let due = when_due(delivery, &scheduler, &means.executor, &stop).await;
                if let Some((delivery, slot)) = due {
                    run_on(slot, delivery, means).await;
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
            hand_back(delivery, &means.executor).await;
            continue;
        };
        let means = means.clone();
        running.spawn(async move { run(delivery, slot, &means).await });
    }
    Ok(())
}

/// What running a job needs.
#[derive(Clone)]
struct Means {
    executor: Arc<Executor>,
    queue: Arc<dyn WorkerQueue>,
    /// When whatever still runs goes back.
    enough: CancellationToken,
}

async fn run<S>(delivery: Delivery, slot: S, means: &Means) {
    let job = &delivery.job;
    let span = tracing::info_span!("job", job.id = %job.id, language = %job.submission.language(), trace_id = tracing::field::Empty);
    warren_telemetry::join(&span, job.traceparent.as_deref());
    settle(delivery, means).instrument(span).await;
    drop(slot);
}

/// The unattended job with its slot, once it is its turn; `None` if it is not to be run here.
async fn when_due(
    delivery: Delivery,
    scheduler: &UnattendedScheduler,
    executor: &Executor,
    stop: &CancellationToken,
) -> Option<(Delivery, UnattendedSlot)> {
    let cancelled = delivery.cancelled();
    let slot = tokio::select! {
        biased;
        () = stop.cancelled() => {
            hand_back(delivery, executor).await;
            return None;
        }
        () = cancelled.cancelled() => None,
        () = tokio::time::sleep(delivery.job.deadline.remaining()) => None,
        slot = scheduler.slot(&delivery.job.room) => slot,
    };
    // What it waited for may have been its end: whoever fetched it is to see to that.
    let delivery = delivery.if_worth_running()?;
    match slot {
        Some(slot) => Some((delivery, slot)),
        None => {
            hand_back(delivery, executor).await;
            None
        }
    }
}

/// Runs an unattended job until it ends, or its slot is needed for one that somebody waits for.
async fn run_on(slot: UnattendedSlot, delivery: Delivery, means: Means) {
    let (grace_over, wanted_back) = (means.enough, slot.wanted_back());
    let means = Means {
        enough: CancellationToken::new(),
        ..means
    };
    let over = async {
        tokio::select! {
            () = grace_over.cancelled() => {}
            () = wanted_back.cancelled() => {}
        }
        means.enough.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run(delivery, slot, &means) => {}
        () = over => {}
    }
}

async fn settle(delivery: Delivery, means: &Means) {
    let Means {
        executor,
        queue,
        enough,
    } = means;
    let job = &delivery.job;
    let cancelled = delivery.cancelled();
    let result = tokio::select! {
        // First: one that is not begun is not told of.
        biased;
        result = execute((job, delivery.class), &cancelled, executor) => result,
        never = tell_running(&**queue, job, executor.instance()) => never,
        () = enough.cancelled() => return hand_back(delivery, executor).await,
    };
    match &result {
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
    let reply = Reply::new(job.id, result).about(job.clone());
    let replying = tracing::info_span!("reply", job.id = %job.id);
    if let Err(error) = delivery.reply(reply).instrument(replying).await {
        executor.metrics().again(Again::Unconfirmed);
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
    let begun = job.begun();
    let ran = cancelled.run_until_cancelled(executor.execute(&begun, class));
    let ran = ran.await;
    ran.unwrap_or_else(|| Err(JobFailure::cancelled(Progress::Running)))
}

async fn hand_back(delivery: Delivery, executor: &Executor) {
    executor.metrics().again(Again::HandedBack);
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
