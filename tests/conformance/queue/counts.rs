//! Bounds: prefetch, deadlines, length; and the queue's own status.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use warren_queue::{STATUS_TIMEOUT, SubmitError, WaitError};

use super::fixture::{Fixture, SOON, answer, job, job_for, reply_to, submit, until};

pub async fn no_more_jobs_are_held_than_the_prefetch<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(3).await?;
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(submit(&api, &job()?).await?);
    }
    let (first, _second, _third) = (jobs.next().await?, jobs.next().await?, jobs.next().await?);
    jobs.none().await?;
    assert_eq!(
        until(&api, "two wait", |now| now.waiting == 2)
            .await?
            .consumers,
        1
    );
    let reply = reply_to(&first.job, "done");
    first.reply(reply).await?;
    let _fourth = jobs.next().await?;
    jobs.none().await
}

/// While both queues are full, a worker holds both kinds, each to its limit.
pub async fn both_classes_have_their_share<F: Fixture>() -> anyhow::Result<()> {
    const SLOTS: u16 = 3;
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(SLOTS).await?;
    let (mut waits, mut unattended) = (Vec::new(), HashSet::new());
    for _ in 0..SLOTS + 2 {
        waits.push(submit(&api, &job()?).await?);
    }
    for _ in 0..SLOTS + 3 {
        let job = job()?;
        api.submit_unattended(&job).await?;
        unattended.insert(job.id);
    }
    until(&api, "the rest waits", |now| {
        (now.waiting, now.unattended) == (2, 3)
    })
    .await?;
    let mut held = Vec::new();
    for _ in 0..2 * SLOTS {
        held.push(jobs.next().await?);
    }
    jobs.none().await?;
    let of_nobody = held
        .iter()
        .filter(|held| unattended.contains(&held.job.id))
        .count();
    assert_eq!(of_nobody, usize::from(SLOTS));
    Ok(())
}

pub async fn an_expired_job_is_not_delivered<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    let _slot = (submit(&api, &job()?).await?, jobs.next().await?);
    // One expires after it was fetched and before it is taken, the other while it waits.
    let hasty = [
        job_for(Duration::from_secs(1))?,
        job_for(Duration::from_secs(1))?,
    ];
    let mut waits = Vec::new();
    for job in &hasty {
        waits.push(submit(&api, job).await?);
    }
    for (job, wait) in hasty.iter().zip(&mut waits) {
        let ended = wait.wait(job.deadline).await;
        assert!(matches!(ended, Err(WaitError::TimedOut)), "{ended:?}");
    }
    assert_eq!(
        api.submit(&hasty[0]).await.err(),
        Some(SubmitError::DeadlinePassed)
    );
    let patient = job()?;
    let wait = submit(&api, &patient).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, patient);
    delivery.reply(reply_to(&patient, "done")).await?;
    answer(wait).await?;
    jobs.none().await
}

pub async fn a_full_queue_refuses<F: Fixture>() -> anyhow::Result<()> {
    const ROOM: u32 = 3;
    let fixture = F::with_room_for(ROOM).await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let _slot = (submit(&api, &job()?).await?, jobs.next().await?);
    // The broker counts held jobs as well, and may notice a job late.
    let started = Instant::now();
    let mut waits = Vec::new();
    let refused = loop {
        match api.submit(&job()?).await {
            Ok(wait) => waits.push(wait),
            Err(refused) => break refused,
        }
        assert!(
            started.elapsed() < SOON && waits.len() < 20,
            "{} jobs wait",
            waits.len()
        );
    };
    assert_eq!(refused, SubmitError::Full);
    assert!(
        (ROOM as usize - 1..=ROOM as usize + 2).contains(&waits.len()),
        "{}",
        waits.len()
    );
    // As soon as there is room, jobs are taken again.
    drop(_slot);
    for _ in 0..=waits.len() {
        let delivery = jobs.next().await?;
        let reply = reply_to(&delivery.job, "done");
        delivery.reply(reply).await?;
    }
    let last = job()?;
    let wait = submit(&api, &last).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, last);
    delivery.reply(reply_to(&last, "done")).await?;
    answer(wait).await.map(drop)
}

pub async fn without_workers_jobs_are_refused<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    until(&api, "the queue can be reached", |now| now.consumers == 0).await?;
    assert_eq!(
        api.submit(&job()?).await.err(),
        Some(SubmitError::NoWorkers)
    );
    let mut jobs = worker.take_jobs(1).await?;
    until(&api, "a worker came", |now| now.consumers == 1).await?;
    // Known at once: a refusal is never based on old news.
    let _wait = api.submit(&job()?).await?;
    // RabbitMQ counts a worker until it has settled its last job.
    let held = jobs.next().await?;
    worker.stop.cancel();
    let reply = reply_to(&held.job, "done");
    held.reply(reply).await?;
    until(&api, "the worker left", |now| now.consumers == 0).await?;
    assert_eq!(
        api.submit(&job()?).await.err(),
        Some(SubmitError::NoWorkers)
    );
    jobs.ended().await
}

pub async fn status_counts_jobs_and_workers<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let mut jobs = first.take_jobs(1).await?;
    let _jobs = second.take_jobs(1).await?;
    until(&api, "two workers", |now| {
        now.consumers == 2 && now.waiting == 0
    })
    .await?;
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(submit(&api, &job()?).await?);
    }
    let status = until(&first.queue, "three wait", |now| now.waiting == 3).await?;
    assert_eq!(status.consumers, 2);
    assert!(status.latency <= STATUS_TIMEOUT, "{:?}", status.latency);
    let _held = jobs.next().await?;
    until(&second.queue, "it is held either way", |now| {
        now.waiting == 3
    })
    .await
    .map(drop)
}
