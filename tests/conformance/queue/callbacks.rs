//! Callbacks: kept until they are settled, and delivered again after their pause.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::JobId;
use warren_queue::{ApiQueue, Callback, CallbackDelivery, Prefetch, QueueError};

use super::fixture::{A_WHILE, Fixture, SOON, until};

const PAUSE: Duration = Duration::from_millis(300);

pub fn callback() -> anyhow::Result<Callback> {
    let url = "https://example.com/hook".parse()?;
    Ok(Callback::new(JobId::new(), url))
}

/// Takes the stream of callbacks, with that prefetch.
pub async fn take_callbacks(
    api: &Arc<dyn ApiQueue>,
    held: u16,
) -> anyhow::Result<mpsc::Receiver<CallbackDelivery>> {
    let held = Prefetch(NonZeroU16::new(held).context("at least 1")?);
    Ok(api.callbacks(held, CancellationToken::new()).await?)
}

pub async fn next(
    callbacks: &mut mpsc::Receiver<CallbackDelivery>,
) -> anyhow::Result<CallbackDelivery> {
    let next = timeout(SOON, callbacks.recv()).await;
    next.context("no callback came")?
        .context("the stream of callbacks ended")
}

async fn none(callbacks: &mut mpsc::Receiver<CallbackDelivery>) -> anyhow::Result<()> {
    let next = timeout(A_WHILE, callbacks.recv()).await;
    anyhow::ensure!(next.is_err(), "another callback came, or the stream ended");
    Ok(())
}

pub async fn a_callback_is_delivered_until_it_is_done<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (one, other) = (fixture.api()?, fixture.api()?);
    until(&one, "the queue can be reached", |_| true).await?;
    let sent = [callback()?, callback()?];
    for callback in &sent {
        one.queue_callback(callback).await?;
    }
    // Any API takes them, one at a time if its prefetch is one.
    let mut callbacks = take_callbacks(&other, 1).await?;
    let again = take_callbacks(&other, 1).await.err();
    let again = again.and_then(|error| error.downcast::<QueueError>().ok());
    assert!(matches!(again, Some(QueueError::AlreadyTaken(_))));
    let first = next(&mut callbacks).await?;
    assert_eq!(first.callback, sent[0]);
    none(&mut callbacks).await?;
    drop(first);
    // Whichever is the next, both are delivered.
    let mut come = Vec::new();
    for _ in &sent {
        let delivery = next(&mut callbacks).await?;
        come.push(delivery.callback.job);
        delivery.done().await?;
    }
    come.sort();
    assert_eq!(come, sent.each_ref().map(|callback| callback.job));
    none(&mut callbacks).await
}

pub async fn a_callback_is_delivered_again_after_its_pause<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let api = fixture.api()?;
    until(&api, "the queue can be reached", |_| true).await?;
    let mut callbacks = take_callbacks(&api, 1).await?;
    let sent = callback()?;
    api.queue_callback(&sent).await?;
    let mut next_try = sent.clone();
    for tries in 1..=2 {
        let delivery = next(&mut callbacks).await?;
        next_try.tries = tries;
        let put_back = Instant::now();
        delivery.again(next_try.clone(), PAUSE).await?;
        let delivery = next(&mut callbacks).await?;
        assert!(put_back.elapsed() >= PAUSE, "{:?}", put_back.elapsed());
        assert_eq!(delivery.callback, next_try);
        drop(delivery);
    }
    next(&mut callbacks).await?.done().await?;
    none(&mut callbacks).await
}

pub async fn a_callback_outlives_its_api<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (gone, other) = (fixture.api()?, fixture.api()?);
    until(&gone, "the queue can be reached", |_| true).await?;
    let (held, paused) = (callback()?, callback()?);
    gone.queue_callback(&paused).await?;
    let mut callbacks = take_callbacks(&gone, 2).await?;
    let delivery = next(&mut callbacks).await?;
    delivery.again(paused.clone(), PAUSE).await?;
    gone.queue_callback(&held).await?;
    let delivery = next(&mut callbacks).await?;
    gone.close(SOON).await;
    drop(delivery);
    let mut callbacks = take_callbacks(&other, 2).await?;
    let mut come = Vec::new();
    for _ in 0..2 {
        let delivery = next(&mut callbacks).await?;
        come.push(delivery.callback.job);
        delivery.done().await?;
    }
    come.sort();
    let mut sent = [held.job, paused.job];
    sent.sort();
    assert_eq!(come, sent);
    none(&mut callbacks).await
}
