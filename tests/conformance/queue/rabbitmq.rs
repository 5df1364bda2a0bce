//! RabbitMQ alone: dead letters, and connections to lose.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use warren_protocol::time::Deadline;
use warren_queue::rabbit::topology::{self, DEAD_JOBS, INTERACTIVE_JOBS, JOBS, SUSPECTS, TURNS};
use warren_queue::{ApiQueue, QueueError, WaitError};

use super::fixture::{
    Fixture, Jobs, OnRabbitMq, SOON, answer, given_up, job, job_for, reply_to, submit, until,
};
use super::unattended::Unattended;
use crate::harness::rabbitmq::Vhost;

/// Submits one job and waits for its answer, after everything that was queued before it.
pub async fn works(api: &Arc<dyn ApiQueue>, jobs: &mut Jobs) -> anyhow::Result<()> {
    let sent = job()?;
    let pending = submit(api, &sent).await?;
    loop {
        let delivery = jobs.next().await?;
        let arrived = delivery.job == sent;
        let reply = reply_to(&delivery.job, "done");
        delivery.reply(reply).await?;
        if arrived {
            assert_eq!(answer(pending).await?, reply_to(&sent, "done"));
            return Ok(());
        }
    }
}

/// Asserts that the prefetch is `count`, neither more nor less.
pub async fn holds_exactly(
    count: u32,
    api: &Arc<dyn ApiQueue>,
    jobs: &mut Jobs,
) -> anyhow::Result<()> {
    let mut waits = Vec::new();
    for _ in 0..count + 2 {
        waits.push(submit(api, &job()?).await?);
    }
    until(api, "all but two are held", |now| {
        now.waiting == 2 && now.consumers == 1
    })
    .await?;
    for _ in 0..count + 2 {
        let delivery = jobs.next().await?;
        let reply = reply_to(&delivery.job, "done");
        delivery.reply(reply).await?;
    }
    for wait in waits {
        answer(wait).await?;
    }
    Ok(())
}

fn reason(dead: &serde_json::Value) -> &str {
    dead["properties"]["headers"]["x-death"][0]["reason"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_job_is_dead_lettered() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    poison_is_put_aside(&fixture, &fixture.0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unattended_poison_job_is_dead_lettered() -> anyhow::Result<()> {
    let fixture = Unattended::<OnRabbitMq>::new().await?;
    poison_is_put_aside(&fixture, &fixture.0.0).await
}

async fn poison_is_put_aside<F: Fixture>(fixture: &F, vhost: &Vhost) -> anyhow::Result<()> {
    let api = fixture.api()?;
    let (poison, mut wait) = (job()?, None);
    for _ in 0..F::tries() {
        let worker = fixture.worker()?;
        let mut jobs = worker.take_jobs(1).await?;
        if wait.is_none() {
            wait = Some(submit(&api, &poison).await?);
        }
        // The worker does not give it back: its connection ends, as when its process dies.
        let _held = jobs.next().await?;
        fixture.kill(&worker).await?;
    }
    let last = fixture.worker()?;
    let mut jobs = last.take_jobs(1).await?;
    if let Some(wait) = wait {
        given_up(wait, &poison, &mut jobs).await?;
    }
    let dead = vhost.take(DEAD_JOBS).await?;
    let properties = &dead["properties"];
    assert_eq!(properties["correlation_id"], poison.id.to_string());
    assert_eq!(properties["headers"]["warren-reason"], "worker_crashed");
    assert_eq!(properties["headers"]["warren-tries"], F::tries());
    works(&api, &mut jobs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_jobs_are_dead_lettered() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    let _slot = (submit(&api, &job()?).await?, jobs.next().await?);
    let mut reasons = Vec::new();
    let (fetched, waiting) = (
        job_for(Duration::from_secs(1))?,
        job_for(Duration::from_secs(1))?,
    );
    let _waits = (submit(&api, &fetched).await?, submit(&api, &waiting).await?);
    while !(fetched.deadline.has_passed() && waiting.deadline.has_passed()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    jobs.none().await?;
    for _ in 0..2 {
        reasons.push(reason(&fixture.0.take(DEAD_JOBS).await?).to_owned());
    }
    reasons.sort();
    assert_eq!(reasons, ["expired", "rejected"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_job_is_put_aside() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    works(&api, &mut jobs).await?;
    let mut of_another_version = job()?;
    of_another_version.version += 1;
    for queue in [JOBS, INTERACTIVE_JOBS] {
        for text in [
            "",
            "no JSON",
            "{}",
            &serde_json::to_string(&of_another_version)?,
        ] {
            fixture.0.publish(queue, text).await?;
            let dead = fixture.0.take(DEAD_JOBS).await?;
            assert_eq!(dead["payload"], text);
            assert_eq!(reason(&dead), "rejected", "{dead}");
        }
    }
    works(&api, &mut jobs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_survives_the_loss_of_its_connections() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let mut wait = submit(&api, &sent).await?;
    let held = jobs.next().await?;
    fixture.0.close_connections("warren api", 2).await?;
    // The reply queue is gone: callers that wait are notified, and do not hang.
    let lost = Instant::now();
    let ended = wait.wait(Deadline::after(SOON)).await;
    assert!(matches!(ended, Err(WaitError::Lost(_))), "{ended:?}");
    assert!(
        lost.elapsed() < Duration::from_secs(2),
        "{:?}",
        lost.elapsed()
    );
    // A reply that is sent anyway is recorded.
    held.reply(reply_to(&sent, "late")).await?;
    works(&api, &mut jobs).await?;
    let mut unclaimed = api.unclaimed(CancellationToken::new()).await?;
    let found = tokio::time::timeout(SOON, unclaimed.recv()).await?;
    assert_eq!(
        found.map(|found| found.reply.clone()),
        Some(reply_to(&sent, "late"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_the_loss_of_its_connections() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(3).await?;
    works(&api, &mut jobs).await?;
    for _ in 0..3 {
        fixture.sever(&worker).await?;
        works(&api, &mut jobs).await?;
    }
    holds_exactly(3, &api, &mut jobs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_declared_again() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    works(&api, &mut jobs).await?;
    for queue in [JOBS, INTERACTIVE_JOBS, TURNS] {
        fixture.0.delete_queue(queue).await?;
        works(&api, &mut jobs).await?;
    }
    // It has no consumer: its loss is noticed by the first that asks for it.
    fixture.0.delete_queue(SUSPECTS).await?;
    let started = Instant::now();
    while !fixture
        .0
        .queues()
        .await?
        .iter()
        .any(|queue| queue["name"] == SUSPECTS)
    {
        assert!(started.elapsed() < SOON, "it is not declared again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    works(&api, &mut jobs).await?;
    holds_exactly(2, &api, &mut jobs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_too_large_affects_no_other() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    let (talker, other) = (job()?, job()?);
    let _wait = submit(&api, &talker).await?;
    let too_much = jobs.next().await?;
    let wait = submit(&api, &other).await?;
    let delivery = jobs.next().await?;
    let mark = "x".repeat(topology::MAX_MESSAGE.as_len());
    let refused = too_much.reply(reply_to(&talker, &mark)).await;
    assert!(
        matches!(refused, Err(QueueError::TooLarge { .. })),
        "{refused:?}"
    );
    // It still belongs to this worker, on the connection that brought it.
    assert!(!delivery.redelivered);
    delivery.reply(reply_to(&other, "done")).await?;
    assert_eq!(answer(wait).await?, reply_to(&other, "done"));
    let again = jobs.next().await?;
    assert_eq!(again.job, talker);
    assert!(again.redelivered);
    again.reply(reply_to(&talker, "less")).await?;
    jobs.none().await
}
