//! Replies that nobody waits for: they are kept until they are recorded.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warren_protocol::reply::FailureCode;
use warren_queue::{QueueError, Unclaimed};

use super::fixture::{A_WHILE, Fixture, SOON, answer, job, job_for, reply_to, submit, until};

/// The number of jobs of each kind.
const MANY: usize = 60;

async fn next(unclaimed: &mut mpsc::Receiver<Unclaimed>) -> anyhow::Result<Unclaimed> {
    let next = timeout(SOON, unclaimed.recv())
        .await
        .context("no unclaimed reply came")?;
    next.context("the stream of unclaimed replies ended")
}

async fn none(unclaimed: &mut mpsc::Receiver<Unclaimed>) -> anyhow::Result<()> {
    let next = timeout(A_WHILE, unclaimed.recv()).await;
    anyhow::ensure!(
        next.is_err(),
        "another unclaimed reply came, or the stream ended"
    );
    Ok(())
}

pub async fn a_reply_without_waiter_is_recorded_once<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let stop = CancellationToken::new();
    let mut unclaimed = api.unclaimed(stop.clone()).await?;
    let again = api.unclaimed(stop.clone()).await;
    assert!(matches!(again, Err(QueueError::AlreadyTaken(_))));
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    drop(submit(&api, &sent).await?);
    jobs.next().await?.reply(reply_to(&sent, "late")).await?;
    let found = next(&mut unclaimed).await?;
    assert_eq!(found.reply, reply_to(&sent, "late"));
    found.acknowledge();
    none(&mut unclaimed).await?;
    stop.cancel();
    assert!(
        timeout(SOON, unclaimed.recv()).await?.is_none(),
        "the stream ends"
    );
    Ok(())
}

pub async fn an_unrecorded_reply_is_delivered_again<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut unclaimed = api.unclaimed(CancellationToken::new()).await?;
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    drop(submit(&api, &sent).await?);
    jobs.next().await?.reply(reply_to(&sent, "late")).await?;
    drop(next(&mut unclaimed).await?);
    let found = next(&mut unclaimed).await?;
    assert_eq!(found.reply, reply_to(&sent, "late"));
    found.acknowledge();
    none(&mut unclaimed).await
}

pub async fn an_unattended_job_waits_for_a_worker_and_is_recorded<F: Fixture>() -> anyhow::Result<()>
{
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    until(&api, "the queue can be reached", |now| now.consumers == 0).await?;
    let mut unclaimed = api.unclaimed(CancellationToken::new()).await?;
    let sent = job()?;
    api.submit_unattended(&sent).await?;
    let mut jobs = worker.take_jobs(1).await?;
    let delivery = jobs.next().await?;
    assert_eq!((&delivery.job, delivery.redelivered), (&sent, false));
    delivery.reply(reply_to(&sent, "done")).await?;
    let found = next(&mut unclaimed).await?;
    assert_eq!(found.reply, reply_to(&sent, "done"));
    found.acknowledge();
    none(&mut unclaimed).await
}

/// Nobody else would notice, so the job is answered whether it was fetched by then or waits.
pub async fn an_unattended_job_that_is_too_late_is_answered<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    until(&api, "the queue can be reached", |_| true).await?;
    let mut unclaimed = api.unclaimed(CancellationToken::new()).await?;
    let mut jobs = worker.take_jobs(1).await?;
    until(&api, "the worker is there", |now| now.consumers == 1).await?;
    let hasty = [
        job_for(Duration::from_secs(1))?,
        job_for(Duration::from_secs(1))?,
    ];
    for job in &hasty {
        api.submit_unattended(job).await?;
    }
    until(&api, "one is fetched, one waits", |now| now.unattended == 1).await?;
    while !hasty.iter().all(|job| job.deadline.has_passed()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    jobs.none().await?;
    let mut late = BTreeSet::new();
    for _ in &hasty {
        let found = next(&mut unclaimed).await?;
        let failure = found
            .reply
            .result
            .as_ref()
            .err()
            .map(|failure| failure.code);
        assert_eq!(failure, Some(FailureCode::DeadlinePassed));
        assert_eq!(
            found.reply.job.as_ref().map(|job| job.id),
            Some(found.reply.job_id)
        );
        late.insert(found.reply.job_id);
        found.acknowledge();
    }
    assert_eq!(late, hasty.iter().map(|job| job.id).collect());
    jobs.none().await?;
    none(&mut unclaimed).await
}

pub async fn a_reply_outlives_its_api<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (gone, other, worker) = (fixture.api()?, fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let _wait = submit(&gone, &sent).await?;
    let held = jobs.next().await?;
    gone.close(SOON).await;
    held.reply(reply_to(&sent, "late")).await?;
    // It waits for the first API that asks, and nobody has asked yet.
    let mut unclaimed = other.unclaimed(CancellationToken::new()).await?;
    let found = next(&mut unclaimed).await?;
    assert_eq!(found.reply, reply_to(&sent, "late"));
    found.acknowledge();
    none(&mut unclaimed).await?;
    jobs.none().await
}

/// Sends replies to two API instances, one of which is gone, all at once: each is either awaited or
/// recorded, none is both or neither.
pub async fn each_reply_is_either_awaited_or_recorded<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (gone, alive, worker) = (fixture.api()?, fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(u16::try_from(2 * MANY)?).await?;
    let (mut lost, mut waits, mut held) = (HashSet::new(), Vec::new(), Vec::new());
    for _ in 0..MANY {
        let (for_gone, for_alive) = (job()?, job()?);
        lost.insert(for_gone.id);
        drop(submit(&gone, &for_gone).await?);
        waits.push((submit(&alive, &for_alive).await?, for_alive));
    }
    for _ in 0..2 * MANY {
        held.push(jobs.next().await?);
    }
    gone.close(SOON).await;
    let mut replies = tokio::task::JoinSet::new();
    for delivery in held {
        let reply = reply_to(&delivery.job, "done");
        replies.spawn(delivery.reply(reply));
    }
    while let Some(sent) = replies.join_next().await {
        sent??;
    }
    for (wait, job) in waits {
        assert_eq!(answer(wait).await?, reply_to(&job, "done"));
    }
    let mut unclaimed = alive.unclaimed(CancellationToken::new()).await?;
    while !lost.is_empty() {
        let found = next(&mut unclaimed).await?;
        assert!(
            lost.remove(&found.reply.job_id),
            "{} was not lost",
            found.reply.job_id
        );
        found.acknowledge();
    }
    none(&mut unclaimed).await
}
