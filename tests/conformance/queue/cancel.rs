//! Jobs whose caller has gone: they are not begun, or are ended.

use std::sync::Arc;

use anyhow::Context;
use tokio::time::timeout;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::FailureCode;
use warren_queue::{ApiQueue, Delivery, PendingReply};

use super::fixture::{Fixture, OnRabbitMq, SOON, answer, job, reply_to, submit};

/// Cancels the jobs, then the job of `held`: once its holder learns of that, it knows of all.
async fn cancel(api: &Arc<dyn ApiQueue>, jobs: &[JobId], held: &Delivery) -> anyhow::Result<()> {
    for job in jobs {
        api.cancel(*job).await;
    }
    anyhow::ensure!(!held.cancelled().is_cancelled(), "nobody cancelled it yet");
    api.cancel(held.job.id).await;
    told(held).await
}

/// Waits until the holder of this job learns that nobody wants it.
async fn told(held: &Delivery) -> anyhow::Result<()> {
    timeout(SOON, held.cancelled().cancelled())
        .await
        .context("the worker was not told that its job is cancelled")
}

/// Waits for the reply, which must report the job as cancelled.
async fn cancelled(pending: PendingReply, job: &Job) -> anyhow::Result<()> {
    let reply = answer(pending).await?;
    let code = reply.result.as_ref().err().map(|failure| failure.code);
    anyhow::ensure!(code == Some(FailureCode::Cancelled), "{reply:?}");
    anyhow::ensure!(reply.job.as_deref() == Some(job), "{reply:?}");
    Ok(())
}

pub async fn a_cancelled_job_is_answered_and_not_run<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let (running, unwanted, wanted) = (job()?, job()?, job()?);
    let first = submit(&api, &running).await?;
    let held = jobs.next().await?;
    let second = submit(&api, &unwanted).await?;
    let third = submit(&api, &wanted).await?;
    cancel(&api, &[unwanted.id], &held).await?;
    // If its worker cannot end it, for example, and gives it back, nobody may begin it either.
    held.requeue().await?;
    let next = jobs.next().await?;
    assert_eq!(next.job, wanted);
    assert!(!next.cancelled().is_cancelled());
    next.reply(reply_to(&wanted, "done")).await?;
    assert_eq!(answer(third).await?, reply_to(&wanted, "done"));
    jobs.none_until(async {
        cancelled(first, &running).await?;
        cancelled(second, &unwanted).await
    })
    .await
}

pub async fn a_cancellation_reaches_whoever_holds_the_job<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let api = fixture.api()?;
    let (one, other) = (fixture.worker()?, fixture.worker()?);
    let mut ones = one.take_jobs(2).await?;
    let (settled, kept, cancelled) = (job()?, job()?, job()?);
    let (first, second) = (submit(&api, &settled).await?, submit(&api, &kept).await?);
    let (done, going_on) = (ones.next().await?, ones.next().await?);
    let mut others = other.take_jobs(1).await?;
    let third = submit(&api, &cancelled).await?;
    let held = others.next().await?;

    done.reply(reply_to(&settled, "done")).await?;
    assert_eq!(answer(first).await?, reply_to(&settled, "done"));
    // Cancelling a settled or unknown job has no effect.
    cancel(&api, &[settled.id, JobId::new()], &held).await?;
    held.reply(reply_to(&cancelled, "ended")).await?;
    assert_eq!(answer(third).await?, reply_to(&cancelled, "ended"));
    cancel(&api, &[], &going_on).await?;
    going_on.reply(reply_to(&kept, "ended too")).await?;
    assert_eq!(answer(second).await?, reply_to(&kept, "ended too"));
    Ok(())
}

pub async fn a_cancellation_may_arrive_before_its_job<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    let (running, unwanted) = (job()?, job()?);
    let _wait = submit(&api, &running).await?;
    let held = jobs.next().await?;
    cancel(&api, &[unwanted.id], &held).await?;
    let wait = submit(&api, &unwanted).await?;
    jobs.none_until(cancelled(wait, &unwanted)).await
}

/// The queue on which a worker receives cancellations ends with its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_receives_cancellations_after_the_loss_of_its_connections() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    for _ in 0..2 {
        let (running, unwanted) = (job()?, job()?);
        let first = submit(&api, &running).await?;
        let held = jobs.next().await?;
        let second = submit(&api, &unwanted).await?;
        cancel(&api, &[unwanted.id], &held).await?;
        held.reply(reply_to(&running, "ended")).await?;
        assert_eq!(answer(first).await?, reply_to(&running, "ended"));
        jobs.none_until(cancelled(second, &unwanted)).await?;
        fixture.sever(&worker).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_without_a_broker_is_no_error() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let worker = fixture.worker()?;
    let (api, mut jobs) = (fixture.api()?, worker.take_jobs(1).await?);
    let sent = job()?;
    let wait = submit(&api, &sent).await?;
    let held = jobs.next().await?;
    api.close(SOON).await;
    api.cancel(sent.id).await;
    assert!(!held.cancelled().is_cancelled());
    drop(wait);
    Ok(())
}
