//! Measures the broker's share alone.
//!
//! One round trip is a message of a job's size to a queue like that of jobs, and one back on a queue
//! like that of replies, as API and worker exchange them. The queues have names of the benchmark's
//! own and are deleted afterwards.

mod figures;
mod line;

use anyhow::{Context, ensure};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use tokio::time::{Instant, timeout};
use warren_protocol::ids::InstanceId;
use warren_queue::RabbitConfig;
use warren_queue::rabbit::topology;

use super::context::Bench;
use figures::Times;
use line::{ANSWER, Line, next};

pub use figures::{Broker, QueueKind};

/// Round trips at the start that do not count.
const WARM_UP: u32 = 10;

/// Measures both kinds of queue, in turn.
///
/// # Errors
/// The broker is not usable, or the run was interrupted.
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
        let opening = timeout(ANSWER, Line::open(kind, &caller, &worker)).await;
        lines.push(opening.context("the broker does not answer")??);
    }
    for round in 0..WARM_UP + bench.plan.round_trips {
        bench.check()?;
        for line in &mut *lines {
            let times = timeout(ANSWER, round_trip(line)).await;
            let times =
                times.context("a message did not return in time; is the broker healthy?")??;
            if round >= WARM_UP {
                line.times.push(times);
                bench.progress.step(1);
            }
        }
    }
    Ok(())
}

/// Returns the number of steps of this part.
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
        // As in Warren, a job is settled once its reply is safe.
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

/// Checks that the queue of jobs has no other user.
///
/// # Errors
/// The broker is not reachable, or has workers already: they would take a share of the benchmark's
/// jobs, and its worker a share of theirs.
pub async fn ensure_unused(url: &str) -> anyhow::Result<()> {
    let connection = connect(&checked(url)?, "look").await?;
    let channel = timeout(ANSWER, connection.create_channel())
        .await
        .context("the broker does not answer")?
        .context("cannot open a channel")?;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asking = channel.queue_declare(topology::JOBS.into(), options, FieldTable::default());
    // A missing queue is an error here, and has no user.
    if let Ok(queue) = timeout(ANSWER, asking)
        .await
        .context("the broker does not answer")?
    {
        let workers = queue.consumer_count();
        ensure!(
            workers == 0,
            "{workers} workers already take jobs from this broker; stop them, or give the benchmark a virtual host \
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
        .context("cannot connect to RabbitMQ (RABBITMQ_URL)")
}
