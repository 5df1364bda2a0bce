//! The broker's share alone: a message of a job's size to a queue like that of jobs, and one back
//! on a queue like that of replies, as API and worker exchange them. On queues of the benchmark's
//! own names, deleted afterwards.

mod line;

use std::time::Duration;

use anyhow::{Context, ensure};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use serde::Serialize;
use tokio::time::{Instant, timeout};
use warren_protocol::ids::InstanceId;
use warren_queue::RabbitConfig;
use warren_queue::rabbit::topology;

use super::context::Bench;
use super::statistics::Summary;
use line::{Line, next};

/// The size of a message: a job with a small program, in JSON.
pub const MESSAGE: usize = 1024;
/// Round trips that are not counted, at first.
const WARM_UP: u32 = 10;
/// How long the broker may take for anything.
const ANSWER: Duration = Duration::from_secs(10);

/// A kind of queue for jobs. The replies' is always classic, exclusive and transient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum QueueKind {
    /// Replicated, with a write-ahead log that is synced to disk.
    Quorum,
    /// Durable, without that log.
    Classic,
}

impl QueueKind {
    /// What tables and the broker call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// Round trips over one kind of queue, with persistent messages and publisher confirms.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// The jobs' queue.
    pub queue: QueueKind,
    /// Bytes of a message.
    pub message_bytes: usize,
    /// From publishing a job until its consumer has it.
    pub delivery: Summary,
    /// From publishing a job until the broker confirms it.
    pub confirm: Summary,
    /// From publishing a job until its reply is there.
    pub round_trip: Summary,
}

/// What one round trip took.
#[derive(Clone, Copy, Debug)]
struct Times {
    delivery: Duration,
    confirm: Duration,
    round_trip: Duration,
}

/// Measures both kinds of queue, in turn.
///
/// # Errors
/// The broker cannot be used, or the run is to end.
pub async fn measure(bench: &Bench, url: &str) -> anyhow::Result<Vec<Broker>> {
    let uri = checked(url)?;
    bench.progress.say("the broker alone");
    let mut lines = Vec::new();
    let measured = rounds(bench, &uri, &mut lines).await;
    for line in &lines {
        line.remove().await;
    }
    measured?;
    Ok(lines.iter().map(Line::sum_up).collect())
}

async fn rounds(bench: &Bench, uri: &AMQPUri, lines: &mut Vec<Line>) -> anyhow::Result<()> {
    let caller = connect(uri, "caller").await?;
    let worker = connect(uri, "worker").await?;
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        lines.push(Line::open(kind, &caller, &worker).await?);
    }
    for round in 0..WARM_UP + bench.plan.round_trips {
        bench.check()?;
        for line in &mut *lines {
            let times = timeout(ANSWER, round_trip(line)).await;
            let times = times.context("a message was not back in time; is the broker well?")??;
            if round >= WARM_UP {
                line.times.push(times);
                bench.progress.step(1);
            }
        }
    }
    Ok(())
}

/// How many steps this part is.
pub fn steps(round_trips: u32) -> u64 {
    u64::from(round_trips) * 2
}

async fn round_trip(line: &mut Line) -> anyhow::Result<Times> {
    let Line {
        caller,
        worker,
        jobs,
        replies,
        ..
    } = line;
    let begun = Instant::now();
    let publish = async {
        caller.publish().await?;
        anyhow::Ok(begun.elapsed())
    };
    let work = async {
        let job = next(jobs).await?;
        let delivered = begun.elapsed();
        worker.publish().await?;
        // As Warren does: a job is settled once its reply is safe.
        job.ack(lapin::options::BasicAckOptions::default()).await?;
        anyhow::Ok(delivered)
    };
    let wait = async {
        let reply = next(replies).await?;
        let back = begun.elapsed();
        reply
            .ack(lapin::options::BasicAckOptions::default())
            .await?;
        anyhow::Ok(back)
    };
    let (confirm, delivery, round_trip) = tokio::try_join!(publish, work, wait)?;
    Ok(Times {
        delivery,
        confirm,
        round_trip,
    })
}

/// Makes sure that the queue of jobs is this run's alone.
///
/// # Errors
/// The broker cannot be reached, or has workers already: they would take a share of the jobs, and
/// ours a share of theirs.
pub async fn ensure_unused(url: &str) -> anyhow::Result<()> {
    let connection = connect(&checked(url)?, "look").await?;
    let channel = connection.create_channel().await.context("no channel")?;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asking = channel.queue_declare(topology::JOBS.into(), options, FieldTable::default());
    // A queue that does not exist is an error here, and unused.
    if let Ok(queue) = timeout(ANSWER, asking)
        .await
        .context("the broker does not answer")?
    {
        let workers = queue.consumer_count();
        ensure!(
            workers == 0,
            "{workers} workers take jobs from this broker already; stop them, or give the benchmark a virtual host \
             of its own in RABBITMQ_URL"
        );
    }
    drop(timeout(ANSWER, connection.close(200, "done".into())).await);
    Ok(())
}

fn checked(url: &str) -> anyhow::Result<AMQPUri> {
    Ok(RabbitConfig::new(url, InstanceId::new("bench"))?
        .uri()
        .clone())
}

async fn connect(uri: &AMQPUri, purpose: &str) -> anyhow::Result<Connection> {
    let name = format!("warren bench {purpose}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    timeout(ANSWER, Connection::connect_uri(uri.clone(), properties))
        .await
        .context("RabbitMQ (RABBITMQ_URL) does not answer; is it running?")?
        .context("RabbitMQ (RABBITMQ_URL) cannot be connected to")
}
