//! A job's route to a worker, and its reply's route back.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;
use warren_protocol::time::Deadline;
use warren_queue::{QueueError, SubmitError, WaitError};

use super::fixture::{Fixture, SOON, answer, given_up, job, reply_to, submit, until};

/// The number of jobs under way at once where order matters.
const MANY: u16 = 200;

pub async fn a_job_arrives_and_its_reply_returns<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let mut sent = job()?;
    sent.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let pending = submit(&api, &sent).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, sent);
    assert!(!delivery.redelivered);
    let reply = reply_to(&sent, "done");
    delivery.reply(reply.clone()).await?;
    assert_eq!(answer(pending).await?, reply);
    jobs.none().await
}

pub async fn replies_find_their_waiters_in_any_order<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(MANY).await?;
    until(&api, "a worker is there", |now| now.consumers == 1).await?;
    let mut waits = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let (api, job) = (api.clone(), job()?);
        waits.spawn(async move {
            let pending = submit(&api, &job).await?;
            anyhow::Ok((job, answer(pending).await?))
        });
    }
    let mut held = HashMap::new();
    while held.len() < usize::from(MANY) {
        let delivery = jobs.next().await?;
        assert!(!delivery.redelivered, "no job is delivered twice");
        held.insert(delivery.job.id, delivery);
    }
    // A hash map has no order.
    let mut replies = tokio::task::JoinSet::new();
    for (_, delivery) in held {
        let reply = reply_to(&delivery.job, "done");
        replies.spawn(delivery.reply(reply));
    }
    while let Some(sent) = replies.join_next().await {
        sent??;
    }
    let mut answered = 0;
    while let Some(wait) = waits.join_next().await {
        let (job, reply) = wait??;
        assert_eq!(reply, reply_to(&job, "done"));
        answered += 1;
    }
    assert_eq!(answered, MANY);
    Ok(())
}

pub async fn a_job_given_back_goes_to_another_worker<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let mut jobs = first.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    let held = jobs.next().await?;
    first.stop.cancel();
    jobs.ended().await?;
    let mut jobs = second.take_jobs(1).await?;
    held.requeue().await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, sent);
    assert!(delivery.redelivered);
    delivery.reply(reply_to(&sent, "second")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "second"));
    Ok(())
}

pub async fn a_dropped_job_comes_back<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    drop(jobs.next().await?);
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, sent);
    assert!(delivery.redelivered);
    delivery.reply(reply_to(&sent, "again")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "again"));
    Ok(())
}

pub async fn a_job_that_every_worker_drops_is_put_aside<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let (poison, normal) = (job()?, job()?);
    let waiting = submit(&api, &poison).await?;
    for _ in 0..F::tries() {
        let delivery = jobs.next().await?;
        assert_eq!(delivery.job, poison);
        drop(delivery);
    }
    given_up(waiting, &poison, &mut jobs).await?;
    let pending = submit(&api, &normal).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, normal);
    delivery.reply(reply_to(&normal, "done")).await?;
    answer(pending).await?;
    jobs.none().await
}

pub async fn a_stopped_stream_hands_back_what_was_not_taken<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let mut jobs = first.take_jobs(3).await?;
    let mut pending = Vec::new();
    for _ in 0..5 {
        let job = job()?;
        pending.push(submit(&api, &job).await?);
    }
    until(&api, "three of five are held", |now| now.waiting == 2).await?;
    let held = jobs.next().await?;
    first.stop.cancel();
    jobs.ended().await?;
    until(&api, "all but the taken one wait", |now| now.waiting == 4).await?;
    let first_reply = reply_to(&held.job, "first");
    held.reply(first_reply.clone()).await?;
    assert_eq!(answer(pending.remove(0)).await?, first_reply);
    until(&api, "nobody consumes", |now| {
        now.waiting == 4 && now.consumers == 0
    })
    .await?;
    let mut jobs = second.take_jobs(3).await?;
    for _ in 0..4 {
        let delivery = jobs.next().await?;
        let reply = reply_to(&delivery.job, "second");
        delivery.reply(reply).await?;
    }
    for wait in pending {
        let reply = answer(wait).await?;
        assert!(
            reply
                .result
                .is_err_and(|failure| failure.message.starts_with("second"))
        );
    }
    Ok(())
}

pub async fn there_is_one_stream_of_jobs_per_worker<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let worker = fixture.worker()?;
    let _jobs = worker.take_jobs(1).await?;
    let error = worker
        .take_jobs(1)
        .await
        .err()
        .and_then(|error| error.downcast().ok());
    assert!(
        matches!(error, Some(QueueError::AlreadyTaken(_))),
        "{error:?}"
    );
    Ok(())
}

/// A worker does this when it cannot run anything for a while.
pub async fn a_stopped_stream_can_be_followed_by_another<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, mut worker) = (fixture.api()?, fixture.worker()?);
    for _ in 0..3 {
        let mut jobs = worker.take_jobs(2).await?;
        let mut waits = Vec::new();
        for _ in 0..3 {
            let job = job()?;
            waits.push((submit(&api, &job).await?, job));
        }
        let running = jobs.next().await?;
        worker.stop.cancel();
        jobs.ended().await?;
        until(&api, "what was not taken went back", |now| now.waiting == 2).await?;

        worker.stop = CancellationToken::new();
        let mut jobs = worker.take_jobs(2).await?;
        // A job begun before the pause is settled after it.
        let reply = reply_to(&running.job, "done");
        running.reply(reply).await?;
        for _ in 0..2 {
            let delivery = jobs.next().await?;
            let reply = reply_to(&delivery.job, "done");
            delivery.reply(reply).await?;
        }
        for (wait, job) in waits {
            assert_eq!(answer(wait).await?, reply_to(&job, "done"));
        }
        until(&api, "one worker is counted", |now| now.consumers == 1).await?;
        worker.stop.cancel();
        jobs.ended().await?;
        until(&api, "the worker is not counted", |now| now.consumers == 0).await?;
        worker.stop = CancellationToken::new();
    }
    Ok(())
}

pub async fn a_closed_queue_ends_its_waits<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let mut pending = submit(&api, &job()?).await?;
    let _held = jobs.next().await?;
    api.close(SOON).await;
    let ended = pending.wait(Deadline::after(SOON)).await;
    assert!(matches!(ended, Err(WaitError::Lost(_))), "{ended:?}");
    assert_eq!(
        api.submit(&job()?).await.err(),
        Some(SubmitError::Unavailable)
    );
    assert!(matches!(api.status().await, Err(QueueError::Closed)));
    worker.queue.close(SOON).await;
    jobs.ended().await
}

pub async fn handing_a_job_back_does_not_count_as_a_try<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    until(&worker.queue, "it is connected both ways", |_| true).await?;
    for given_back in 0..3 * F::tries() {
        let delivery = jobs.next().await?;
        assert_eq!(delivery.job, sent);
        assert_eq!(delivery.redelivered, given_back > 0);
        delivery.requeue().await?;
    }
    for _lost in 1..F::tries() {
        drop(jobs.next().await?);
    }
    let delivery = jobs.next().await?;
    delivery.reply(reply_to(&sent, "at last")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "at last"));
    jobs.none().await
}

pub async fn handing_back_does_not_forget_earlier_losses<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    until(&worker.queue, "it is connected both ways", |_| true).await?;
    for _lost in 0..F::tries() {
        jobs.next().await?.requeue().await?;
        drop(jobs.next().await?);
    }
    given_up(pending, &sent, &mut jobs).await?;
    jobs.none().await
}

pub async fn a_dropped_stream_hands_back_what_was_not_taken<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let jobs = first.take_jobs(2).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    until(&api, "it is fetched", |now| now.waiting == 0).await?;
    drop(jobs);
    let mut jobs = second.take_jobs(2).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, sent);
    delivery.reply(reply_to(&sent, "second")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "second"));
    until(&api, "the first has left", |now| now.consumers == 1)
        .await
        .map(drop)
}
