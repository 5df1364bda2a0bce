//! The pool of connections for durable messages: a flood of these does not delay callers' jobs.

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

use super::fixture::{Fixture, OnRabbitMq, answer, job, reply_to, submit, until};

/// How many batches are sent at a time: more than the lanes of one connection.
const BATCHES: usize = 64;
/// How many callers' jobs are timed.
const SAMPLES: usize = 200;
/// The pause between two of these.
const BETWEEN: Duration = Duration::from_millis(5);
/// The most jobs of a flood: fewer than the queue takes.
const FLOOD: u64 = 9_000;
/// The input of each of them, which is what makes a batch large.
const INPUT: usize = 64 * 1024;

/// What callers saw, and how fast the flood was.
struct Seen {
    p50: Duration,
    p99: Duration,
    a_second: f64,
}

fn of_a_batch() -> anyhow::Result<Job> {
    let submission = serde_json::from_value(json!({
        "language": "python", "code": "print(input())", "input": "x".repeat(INPUT), "test_cases": [],
    }))?;
    let (limits, deadline) = (Limits::default(), Deadline::after(Duration::from_secs(600)));
    Ok(Job::new("a-room".parse()?, submission, limits, deadline))
}

async fn times(
    api: &Arc<dyn ApiQueue>,
    flood_is_over: impl Fn() -> bool,
) -> anyhow::Result<(Duration, Duration)> {
    let mut took = Vec::with_capacity(SAMPLES);
    while took.len() < SAMPLES && !flood_is_over() {
        let job = job()?;
        let asked = Instant::now();
        let reply = answer(submit(api, &job).await?).await?;
        took.push(asked.elapsed());
        anyhow::ensure!(reply == reply_to(&job, "done"), "{reply:?}");
        tokio::time::sleep(BETWEEN).await;
    }
    took.sort();
    let count = took.len();
    anyhow::ensure!(
        count >= SAMPLES / 2,
        "the flood was over after {count} jobs"
    );
    Ok((took[count / 2], took[count * 99 / 100]))
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
        for _ in 0..BATCHES {
            let (api, sent) = (Arc::clone(&api), Arc::clone(&sent));
            tasks.spawn(async move {
                while sent.load(Ordering::Relaxed) < FLOOD {
                    match api.submit_unattended(&of_a_batch()?).await {
                        Ok(()) => drop(sent.fetch_add(1, Ordering::Relaxed)),
                        Err(SubmitError::Unconfirmed | SubmitError::Unavailable) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(())
            });
        }
    }
    let times = times(&api, || sent.load(Ordering::Relaxed) >= FLOOD).await?;
    while let Some(ended) = tasks.try_join_next() {
        ended??;
    }
    let (count, took) = (sent.load(Ordering::Relaxed), begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let a_second = count as f64 / took.as_secs_f64();
    Ok(Seen {
        p50: times.0,
        p99: times.1,
        a_second,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_batches_does_not_delay_callers() -> anyhow::Result<()> {
    for round in 0..3 {
        for (name, pooled, flooded) in [
            ("quiet", true, false),
            ("one connection", false, true),
            ("pool", true, true),
        ] {
            let seen = seen(pooled, flooded).await?;
            println!(
                "{round} {name}: p50 {:?}, p99 {:?}, flood {:.0}/s",
                seen.p50, seen.p99, seen.a_second
            );
        }
    }
    Ok(())
}
