//! A broker that stops, falls silent or accepts no more messages.
//!
//! The API and the worker on it survive.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, QueueError, SubmitError, WaitError};

use super::callbacks::{callback, next, take_callbacks};
use super::fixture::{SOON, api_on, job, job_for, reply_to, submit, until, worker_on};
use super::rabbitmq::{holds_exactly, works};
use crate::harness::broker::Broker;
use crate::harness::proxy::Proxy;

/// The bound for "at once", on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(250);
/// The pause of a callback: short, but longer than the broker takes to stop.
const CALLBACK_PAUSE: Duration = Duration::from_secs(5);
/// More time than a broker takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Submits until the answer is as wanted, and asserts that it comes at once.
async fn refuses_at_once(api: &Arc<dyn ApiQueue>, within: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = api.submit(&job()?).await.err();
        let took = asked.elapsed();
        if answer == Some(SubmitError::Unavailable) && took < AT_ONCE {
            return Ok(());
        }
        anyhow::ensure!(
            started.elapsed() < within,
            "not refused at once: {answer:?} after {took:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_may_start_late_stop_and_return() -> anyhow::Result<()> {
    let mut broker = Broker::prepare()?;
    let (api, worker) = (api_on(&broker.amqp_url())?, worker_on(&broker.amqp_url())?);
    let mut jobs = worker.take_jobs(3).await?;
    refuses_at_once(&api, AT_ONCE).await?;
    let status = api.status().await;
    assert!(
        matches!(
            status,
            Err(QueueError::Disconnected | QueueError::Unreachable(_))
        ),
        "{status:?}"
    );
    broker.start().await?;
    works(&api, &mut jobs).await?;

    // In order, with jobs of callers and unattended ones, each held and waiting.
    let (mut waits, mut held) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        waits.push(submit(&api, &job()?).await?);
        held.push(jobs.next().await?);
    }
    waits.push(submit(&api, &job()?).await?);
    let kept = [
        job_for(PATIENCE)?,
        job_for(PATIENCE)?,
        job_for(PATIENCE)?,
        job_for(PATIENCE)?,
    ];
    for job in &kept {
        api.submit_unattended(job).await?;
    }
    held.push(jobs.next().await?);
    // One callback is due, one is in its pause, which the broker's absence does not prolong.
    let mut callbacks = take_callbacks(&api, 1).await?;
    let (due, paused) = (callback()?, callback()?);
    api.queue_callback(&paused).await?;
    let delivery = next(&mut callbacks).await?;
    delivery.again(paused.clone(), CALLBACK_PAUSE).await?;
    api.queue_callback(&due).await?;
    broker.stop().await?;
    // Callers that wait are notified: their jobs are lost with the broker.
    let gone = Instant::now();
    for wait in &mut waits {
        let ended = wait.wait(Deadline::after(SOON)).await;
        assert!(matches!(ended, Err(WaitError::Lost(_))), "{ended:?}");
    }
    assert!(gone.elapsed() < AT_ONCE, "{:?}", gone.elapsed());
    refuses_at_once(&api, Duration::from_secs(1)).await?;
    broker.start().await?;
    let back = Instant::now();
    until(&api, "the worker is back", |now| now.consumers == 1).await?;
    assert!(
        back.elapsed() < Duration::from_secs(10),
        "{:?}",
        back.elapsed()
    );
    // Unattended jobs are kept: those that were held are delivered again, the one that waited is
    // delivered.
    drop(held);
    let mut delivered = Vec::new();
    for _ in &kept {
        let delivery = jobs.next().await?;
        delivered.push((delivery.job.id, delivery.redelivered));
        let reply = reply_to(&delivery.job, "done");
        delivery.reply(reply).await?;
    }
    delivered.sort();
    // A worker with a prefetch of three had three of them, and its reader one. The reader dropped that
    // one. The worker may still have had the other two, and known them when they came back.
    let [first, second, third, waited] = kept.map(|job| job.id);
    let ids = delivered.iter().map(|(id, _)| *id);
    assert_eq!(ids.collect::<Vec<_>>(), [first, second, third, waited]);
    assert!(delivered[0].1 && !delivered[3].1, "{delivered:?}");
    holds_exactly(3, &api, &mut jobs).await?;
    let mut come = 0;
    while come < 2 {
        let delivery = next(&mut callbacks).await?;
        if !delivery.is_ours() {
            // It was fetched before the broker stopped.
            continue;
        }
        come += 1;
        let kept = [&due, &paused].contains(&&delivery.callback);
        anyhow::ensure!(kept, "{:?} is another", delivery.callback);
        delivery.done().await?;
    }

    // Now as after a power cut. A job that waits to be run alone is kept as well, and this does not
    // count as a try.
    let (suspect, survivor) = (job_for(PATIENCE)?, job_for(PATIENCE)?);
    api.submit_unattended(&suspect).await?;
    drop(jobs.next().await?);
    let token = jobs.token().await?;
    api.submit_unattended(&survivor).await?;
    broker.kill();
    refuses_at_once(&api, Duration::from_secs(1)).await?;
    drop(token);
    broker.start().await?;
    let mut kept = HashMap::new();
    while kept.len() < 2 {
        let delivery = jobs.next().await?;
        kept.insert(delivery.job.id, delivery.redelivered);
        let reply = reply_to(&delivery.job, "done");
        delivery.reply(reply).await?;
    }
    assert_eq!((kept[&suspect.id], kept[&survivor.id]), (true, true));
    jobs.settle_all().await?;
    works(&api, &mut jobs).await?;
    holds_exactly(3, &api, &mut jobs).await
}

/// Submits during an alarm. The wait ends long before an unconfirmed message would be given up (two
/// seconds).
async fn submits_until_refused(api: Arc<dyn ApiQueue>) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = api.submit(&job_for(Duration::from_secs(3))?).await.err();
        let took = asked.elapsed();
        anyhow::ensure!(took < Duration::from_secs(1), "{answer:?} after {took:?}");
        match answer {
            None | Some(SubmitError::Unconfirmed) => {}
            Some(SubmitError::Unavailable) => return Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
        anyhow::ensure!(started.elapsed() < SOON, "never refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_refuses_jobs_until_it_is_over() -> anyhow::Result<()> {
    let broker = Broker::run().await?;
    let (api, worker) = (api_on(&broker.amqp_url())?, worker_on(&broker.amqp_url())?);
    let mut jobs = worker.take_jobs(1).await?;
    works(&api, &mut jobs).await?;
    // An API that publishes nothing is notified as well.
    let idle = api_on(&broker.amqp_url())?;
    until(&idle, "it is connected", |now| now.consumers == 1).await?;
    let callers = (0..8).map(|_| tokio::spawn(submits_until_refused(Arc::clone(&api))));
    let callers: Vec<_> = callers.collect();
    broker
        .control(&["set_vm_memory_high_watermark", "absolute", "1MB"])
        .await?;
    for caller in callers {
        caller.await??;
    }
    refuses_at_once(&api, SOON).await?;
    let told = Instant::now();
    while !matches!(idle.status().await, Err(QueueError::Blocked)) {
        anyhow::ensure!(told.elapsed() < Duration::from_secs(5), "never told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = api.status().await;
    assert!(matches!(status, Err(QueueError::Blocked)), "{status:?}");
    // A blocked connection is not a lost one: long after a silent connection would have been given
    // up, it is still the same.
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(5) {
        let status = api.status().await;
        assert!(matches!(status, Err(QueueError::Blocked)), "{status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    broker
        .control(&["set_vm_memory_high_watermark", "absolute", "4GB"])
        .await?;
    let over = Instant::now();
    until(&idle, "the alarm is over", |now| now.consumers == 1).await?;
    anyhow::ensure!(over.elapsed() < Duration::from_secs(5), "told late");
    works(&api, &mut jobs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_is_noticed() -> anyhow::Result<()> {
    let broker = Broker::run().await?;
    let target = broker.amqp_url();
    let address = target
        .split(['@', '/'])
        .nth(3)
        .unwrap_or_default()
        .to_owned();
    let proxy = Proxy::to(address).await?;
    let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
    let (api, worker) = (api_on(&url)?, worker_on(&url)?);
    let mut jobs = worker.take_jobs(2).await?;
    works(&api, &mut jobs).await?;
    assert_eq!(proxy.open(), 4, "two connections for each side");
    proxy.set_deaf(true);
    // A probe each second, and three to answer it.
    refuses_at_once(&api, Duration::from_secs(6)).await?;
    assert!(api.status().await.is_err());
    proxy.set_deaf(false);
    works(&api, &mut jobs).await?;
    // Messages that were on their way to us are delivered again, once the broker notices that our
    // connection is lost.
    jobs.settle_all().await?;
    holds_exactly(2, &api, &mut jobs).await?;
    // The attempts in between left nothing behind.
    let started = Instant::now();
    while proxy.open() != 4 {
        assert!(started.elapsed() < SOON, "{} connections", proxy.open());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
