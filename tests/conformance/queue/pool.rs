//! The pool for durable messages: a flood of these does not delay callers' jobs.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, JobClass, RabbitApi, RabbitConfig, SubmitError};

use super::fixture::{Fixture, OnRabbitMq, SOON, answer, job, reply_to, submit, until};
use crate::harness::machine;
use crate::harness::rabbitmq::Vhost;

/// How many jobs of batches are submitted at a time: six batches, each eight at a time as the API
/// does it. More than the channels of one connection.
const AT_A_TIME: usize = 6 * 8;
/// How many callers' jobs are timed in a round, and the fewest.
const SAMPLES: usize = 100;
const FEWEST: usize = 20;
/// How long a round lasts at most.
const ROUND: Duration = Duration::from_secs(15);
/// How many rounds there are at least and at most: other things run on this machine, and come and go.
const ROUNDS: RangeInclusive<usize> = 2..=4;
/// The pause between two callers' jobs.
const BETWEEN: Duration = Duration::from_millis(5);
/// The pause of a batch after a job that the queue did not take.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);
/// The most jobs of a flood: fewer than the queue takes.
const FLOOD: u64 = 9_000;
/// The input of each of them, which is what makes a batch large.
const INPUT: usize = 16 * 1024;

/// How long callers' jobs took, and the rate of the flood.
struct Seen {
    took: Vec<Duration>,
    a_second: f64,
}

impl Seen {
    fn quantile(&self, percent: usize) -> Duration {
        let mut took = self.took.clone();
        took.sort();
        took[took.len() * percent / 100]
    }
}

fn of_a_batch() -> anyhow::Result<Job> {
    let submission = serde_json::from_value(json!({
        "language": "python", "code": "print(input())", "input": "x".repeat(INPUT),
        "test_cases": [],
    }))?;
    let (limits, deadline) = (Limits::default(), Deadline::after(Duration::from_secs(600)));
    Ok(Job::new("a-room".parse()?, submission, limits, deadline))
}

async fn times(
    api: &Arc<dyn ApiQueue>,
    flood_is_over: impl Fn() -> bool,
) -> anyhow::Result<Vec<Duration>> {
    let (begun, mut took) = (Instant::now(), Vec::with_capacity(SAMPLES));
    while took.len() < SAMPLES && begun.elapsed() < ROUND && !flood_is_over() {
        let job = job()?;
        let asked = Instant::now();
        let reply = answer(submit(api, &job).await?).await?;
        took.push(asked.elapsed());
        anyhow::ensure!(reply == reply_to(&job, "done"), "{reply:?}");
        tokio::time::sleep(BETWEEN).await;
    }
    let count = took.len();
    anyhow::ensure!(count >= FEWEST, "the flood was over after {count} jobs");
    Ok(took)
}

/// Times callers' jobs beside a flood of batches, or on a quiet queue.
async fn seen(pooled: bool, flooded: bool) -> anyhow::Result<Seen> {
    let fixture = OnRabbitMq::new().await?;
    let config = RabbitConfig::new(&fixture.0.amqp_url(), InstanceId::new("api"))?;
    let config = if pooled {
        config
    } else {
        config.without_pool()
    };
    let api: Arc<dyn ApiQueue> = Arc::new(RabbitApi::new(config, &CancellationToken::new()));
    let worker = fixture.worker()?;
    let mut jobs = worker.take_jobs(4).await?;
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    tasks.spawn(async move {
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
        }
    });
    until(&api, "the worker is there", |now| now.consumers == 1).await?;
    let sent = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    if flooded {
        for _ in 0..AT_A_TIME {
            let (api, sent) = (Arc::clone(&api), Arc::clone(&sent));
            tasks.spawn(async move {
                while sent.load(Ordering::Relaxed) < FLOOD {
                    match api.submit_unattended(&of_a_batch()?).await {
                        Ok(()) => drop(sent.fetch_add(1, Ordering::Relaxed)),
                        // The refusal may be immediate. Without a pause nothing else would run.
                        Err(SubmitError::Unconfirmed | SubmitError::Unavailable) => {
                            tokio::time::sleep(AFTER_REFUSAL).await;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(())
            });
        }
    }
    let pool = api.broker_pool().map(|pool| pool.size);
    anyhow::ensure!(pool.is_some() == pooled, "{pool:?}");
    let took = times(&api, || sent.load(Ordering::Relaxed) >= FLOOD).await?;
    while let Some(ended) = tasks.try_join_next() {
        ended??;
    }
    let (count, elapsed) = (sent.load(Ordering::Relaxed), begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let a_second = count as f64 / elapsed.as_secs_f64();
    Ok(Seen { took, a_second })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_batches_does_not_delay_callers() -> anyhow::Result<()> {
    let _machine = machine::alone().await;
    // Of the medians, since the slowest of a hundred is the machine's as much as the queue's.
    let [mut one, mut pool] = [Duration::ZERO; 2];
    for round in 1..=*ROUNDS.end() {
        for (name, pooled, flooded) in [
            ("quiet", true, false),
            ("one connection", false, true),
            ("pool", true, true),
        ] {
            let seen = seen(pooled, flooded).await?;
            let (p50, p99) = (seen.quantile(50), seen.quantile(99));
            let (count, rate) = (seen.took.len(), seen.a_second);
            println!("{round} {name}: {count} jobs, p50 {p50:?}, p99 {p99:?}, flood {rate:.0}/s");
            match (flooded, pooled) {
                (true, true) => pool += p50,
                (true, false) => one += p50,
                (false, _) => {}
            }
        }
        if ROUNDS.contains(&round) && pool < one {
            return Ok(());
        }
    }
    anyhow::bail!("callers beside a flood took {pool:?} with the pool, {one:?} without")
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
