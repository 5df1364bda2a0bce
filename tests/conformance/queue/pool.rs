//! The pool for durable messages: a flood stays off the connection of callers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, JobClass, RabbitApi, RabbitConfig, SubmitError};

use super::fixture::{Fixture, OnRabbitMq, SOON, answer, job, reply_to, submit, until};
use crate::harness::rabbitmq::Vhost;

/// How many jobs of batches are submitted at a time: six batches, each eight at a time as the API
/// does it. More than the channels of one connection.
const AT_A_TIME: usize = 6 * 8;
/// The jobs of a flood.
const FLOOD: usize = 480;
/// The input of each of them, which is what makes a batch large.
const INPUT: usize = 16 * 1024;
/// The callers' jobs that are answered during the flood.
const CALLERS: usize = 20;
/// The pause of a batch after a job that the queue did not take.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

fn of_a_batch() -> anyhow::Result<Job> {
    let submission = serde_json::from_value(json!({
        "language": "python", "code": "print(input())", "input": "x".repeat(INPUT),
        "test_cases": [],
    }))?;
    let (limits, deadline) = (Limits::default(), Deadline::after(Duration::from_secs(600)));
    Ok(Job::new("a-room".parse()?, submission, limits, deadline))
}

/// Submits one job of the flood, as often as that takes.
async fn flood(api: &Arc<dyn ApiQueue>) -> anyhow::Result<()> {
    loop {
        match api.submit_unattended(&of_a_batch()?).await {
            Ok(()) => return Ok(()),
            // The refusal may be immediate. Without a pause nothing else would run.
            Err(SubmitError::Unconfirmed | SubmitError::Unavailable) => {
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the bytes that the broker received on callers' publishing connection, and on those of
/// the pool, after a flood of batches during which callers' jobs were answered.
async fn bytes_of_a_flood(pooled: bool) -> anyhow::Result<(u64, u64)> {
    let fixture = OnRabbitMq::new().await?;
    let config = RabbitConfig::new(&fixture.0.amqp_url(), InstanceId::new("api"))?;
    let config = if pooled {
        config
    } else {
        config.without_pool()
    };
    let api: Arc<dyn ApiQueue> = Arc::new(RabbitApi::new(config, &CancellationToken::new()));
    anyhow::ensure!(api.broker_pool().is_some() == pooled);
    let worker = fixture.worker()?;
    let mut jobs = worker.take_jobs(4).await?;
    let answering = tokio::spawn(async move {
        // It keeps the few of the flood that it holds, and so gets no more of it.
        let mut held = Vec::new();
        loop {
            let delivery = jobs.next().await?;
            match delivery.class {
                JobClass::Unattended => held.push(delivery),
                JobClass::Interactive => {
                    let reply = reply_to(&delivery.job, "done");
                    delivery.reply(reply).await?;
                }
            }
            if held.len() > FLOOD {
                anyhow::bail!("more jobs than were sent");
            }
        }
    });
    let answering: AbortOnDropHandle<anyhow::Result<()>> = AbortOnDropHandle::new(answering);
    until(&api, "the worker is there", |now| now.consumers == 1).await?;
    let flooding = stream::iter(0..FLOOD).map(|_| flood(&api));
    let flooding = flooding
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>();
    let calling = async {
        for _ in 0..CALLERS {
            let job = job()?;
            let reply = answer(submit(&api, &job).await?).await?;
            anyhow::ensure!(reply == reply_to(&job, "done"), "{reply:?}");
        }
        anyhow::Ok(())
    };
    tokio::try_join!(flooding, calling)?;
    drop(answering);
    // The broker counts a connection's bytes every few seconds.
    let started = Instant::now();
    loop {
        let durable = fixture.0.received("warren api", "publish durable").await?;
        let callers = fixture.0.received("warren api", "publish").await?;
        if durable + callers >= (FLOOD * INPUT) as u64 {
            return Ok((callers, durable));
        }
        anyhow::ensure!(started.elapsed() < SOON, "{callers} + {durable} bytes only");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// RabbitMQ throttles a connection as a whole, and its messages share a socket. So what matters is
/// that the flood is on others. Both ways are counted, so that the count is known to tell them apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_batches_stays_off_the_connection_of_callers() -> anyhow::Result<()> {
    let (callers, durable) = bytes_of_a_flood(true).await?;
    assert!(10 * callers < durable, "{callers} and {durable} bytes");
    let (callers, durable) = bytes_of_a_flood(false).await?;
    assert!(10 * durable < callers, "{callers} and {durable} bytes");
    Ok(())
}

/// The pooled connections of the APIs on `vhost`, once the broker shows `count` of them.
async fn pooled(vhost: &Vhost, count: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let open = vhost.connections("publish durable").await?;
        if open.len() == count {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < SOON, "not {count}: {open:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooled_connection_is_made_on_demand_replaced_and_closed() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let api = fixture.api()?;
    until(&api, "it is connected", |_| true).await?;
    let size = |api: &Arc<dyn ApiQueue>| api.broker_pool().map(|pool| (pool.size, pool.available));
    assert_eq!(
        size(&api),
        Some((0, 0)),
        "it connects when there is something to send"
    );
    for _ in 0..3 {
        api.submit_unattended(&of_a_batch()?).await?;
    }
    assert_eq!(
        size(&api),
        Some((1, 1)),
        "one after the other needs one connection"
    );
    pooled(&fixture.0, 1).await?;
    let lost = fixture.0.close_connections("publish durable", 1).await?;
    pooled(&fixture.0, 0).await?;
    api.submit_unattended(&of_a_batch()?).await?;
    pooled(&fixture.0, 1).await?;
    let replaced = fixture.0.connections("publish durable").await?;
    assert_ne!(replaced, lost);
    api.close(SOON).await;
    pooled(&fixture.0, 0).await
}
