//! Jobs that were lost with their worker: each is retried once, alone.
//!
//! So none is blamed for another. In process, no worker can be lost but with the whole process.

use std::collections::HashSet;

use warren_protocol::reply::MAX_TRIES;
use warren_queue::rabbit::topology::{DEAD_JOBS, SUSPECTS, TURNS};
use warren_queue::{Delivery, QueueStatus};

use super::fixture::{Fixture, OnRabbitMq, answer, given_up, job, reply_to, submit, until};
use super::rabbitmq::works;
use super::unattended::Unattended;
use crate::harness::rabbitmq::Vhost;

/// How many jobs a worker holds that is about to be lost.
const HELD: u16 = 6;

/// How many jobs wait, of whichever class the suite speaks; suspects count as interactive.
fn waiting(now: QueueStatus) -> u32 {
    now.waiting + now.unattended
}

async fn done(delivery: Delivery) -> anyhow::Result<()> {
    let reply = reply_to(&delivery.job, "done");
    Ok(delivery.reply(reply).await?)
}

/// Workers come, one after the other, hold what they can, and are lost; the last one stays.
async fn however_often_workers_are_lost(fixture: &impl Fixture) -> anyhow::Result<()> {
    const ROUNDS: u32 = 2 * MAX_TRIES;
    let api = fixture.api()?;
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        let worker = fixture.worker()?;
        let mut jobs = worker.take_jobs(HELD).await?;
        until(&api, "the worker is there", |now| now.consumers == 1).await?;
        if round == 0 {
            for _ in 0..HELD {
                let job = job()?;
                waits.push((submit(&api, &job).await?, job));
            }
        }
        // In the first round all are held, later on they are suspects, of which one has its token.
        // Like a worker that is still busy, this one does not fetch it.
        let _held = if round == 0 {
            let mut held = Vec::new();
            for _ in 0..HELD {
                held.push(jobs.next().await?);
            }
            (Some(held), None)
        } else {
            let token = jobs.token().await?;
            until(&api, "all are suspects", |now| {
                waiting(now) == u32::from(HELD)
            })
            .await?;
            (None, Some(token))
        };
        worker.stop.cancel();
        fixture.sever(&worker).await?;
        until(&api, "the worker is gone", |now| now.consumers == 0).await?;
    }
    let last = fixture.worker()?;
    let mut jobs = last.take_jobs(HELD).await?;
    for _ in 0..HELD {
        let suspect = jobs.next().await?;
        assert!(suspect.redelivered);
        // One at a time: the next one's token arrives once this one is settled.
        jobs.none().await?;
        done(suspect).await?;
    }
    for (wait, job) in waits {
        assert_eq!(answer(wait).await?, reply_to(&job, "done"));
    }
    jobs.none().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_worker_held_is_run_however_often_workers_are_lost() -> anyhow::Result<()> {
    however_often_workers_are_lost(&OnRabbitMq::new().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_as_well() -> anyhow::Result<()> {
    however_often_workers_are_lost(&Unattended::<OnRabbitMq>::new().await?).await
}

/// A poison job among others: it takes every worker with it that runs it, and with the first one
/// those beside it.
async fn only_the_cause_is_given_up(fixture: &impl Fixture, vhost: &Vhost) -> anyhow::Result<()> {
    let api = fixture.api()?;
    let poison = job()?;
    let (mut neighbours, mut wait) = (Vec::new(), None);
    let mut tries = 0;
    while tries < MAX_TRIES {
        let worker = fixture.worker()?;
        let mut jobs = worker.take_jobs(HELD).await?;
        if tries == 0 {
            until(&api, "the worker is there", |now| now.consumers == 1).await?;
            wait = Some(submit(&api, &poison).await?);
            for _ in 1..HELD {
                let job = job()?;
                neighbours.push((submit(&api, &job).await?, job));
            }
        }
        let mut held = Vec::new();
        loop {
            let delivery = jobs.next().await?;
            if delivery.job == poison {
                tries += 1;
                if tries == 1 {
                    for _ in 1..HELD {
                        held.push(jobs.next().await?);
                    }
                }
                worker.stop.cancel();
                fixture.sever(&worker).await?;
                drop((delivery, held));
                break;
            }
            // Before the poison's token arrives, some of the others may have theirs.
            done(delivery).await?;
        }
    }
    let last = fixture.worker()?;
    let mut jobs = last.take_jobs(HELD).await?;
    let (mut answered, mut waits) = (HashSet::new(), tokio::task::JoinSet::new());
    for (wait, job) in neighbours {
        waits.spawn(async move { anyhow::Ok((answer(wait).await?, job)) });
    }
    while answered.len() + 1 < usize::from(HELD) {
        tokio::select! {
            delivery = jobs.next() => {
                let delivery = delivery?;
                assert_ne!(delivery.job, poison, "a third try");
                done(delivery).await?;
            }
            Some(reply) = waits.join_next() => {
                let (reply, job) = reply??;
                assert_eq!(reply, reply_to(&job, "done"));
                answered.insert(job.id);
            }
        }
    }
    if let Some(wait) = wait {
        given_up(wait, &poison, &mut jobs).await?;
    }
    let dead = vhost.take(DEAD_JOBS).await?;
    assert_eq!(dead["properties"]["correlation_id"], poison.id.to_string());
    assert_eq!(
        dead["properties"]["headers"]["warren-reason"],
        "worker_crashed"
    );
    works(&api, &mut jobs).await?;
    assert!(
        vhost.take_all(DEAD_JOBS, 1).await?.is_empty(),
        "nobody else"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_job_is_given_up_and_nobody_beside_it() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    only_the_cause_is_given_up(&fixture, &fixture.0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unattended_poison_job_is_given_up_and_nobody_beside_it() -> anyhow::Result<()> {
    let fixture = Unattended::<OnRabbitMq>::new().await?;
    only_the_cause_is_given_up(&fixture, &fixture.0.0).await
}

/// Some turns lead to nothing: their suspects were taken by others', or expired.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_without_a_suspect_is_no_turn() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    works(&api, &mut jobs).await?;
    for _ in 0..5 {
        fixture.0.publish(TURNS, "").await?;
    }
    jobs.none().await?;
    drop(submit(&api, &job()?).await?);
    drop(jobs.next().await?);
    let token = jobs.token().await?;
    assert_eq!(fixture.0.take(SUSPECTS).await?["redelivered"], false);
    assert!(token.fetch().await?.is_none(), "somebody else had it");
    works(&api, &mut jobs).await?;
    jobs.none().await
}

/// A suspect whose token was lost has that of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_without_a_turn_of_its_own_is_run() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(2).await?;
    works(&api, &mut jobs).await?;
    let mut waits = Vec::new();
    let (mut held, mut sent) = (Vec::new(), HashSet::new());
    for _ in 0..2 {
        let job = job()?;
        sent.insert(job.id);
        waits.push(submit(&api, &job).await?);
        held.push(jobs.next().await?);
    }
    drop(held.pop());
    let token = jobs.token().await?;
    drop(held.pop());
    until(&api, "both are suspects", |now| now.waiting == 2).await?;
    fixture.0.take(TURNS).await?;
    let first = token.fetch().await?;
    let first = first.ok_or_else(|| anyhow::anyhow!("no suspect"))?;
    assert!(sent.remove(&first.job.id));
    done(first).await?;
    let second = jobs.next().await?;
    assert!(sent.remove(&second.job.id));
    done(second).await?;
    for wait in waits {
        answer(wait).await?;
    }
    jobs.none().await
}

/// A suspect that finds no room stays with its worker until there is some, and does not count as
/// tried again.
async fn a_full_queue_of_suspects_loses_none(
    fixture: &impl Fixture,
    vhost: &Vhost,
) -> anyhow::Result<()> {
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    let mut jobs = worker.take_jobs(3).await?;
    until(&api, "the worker is there", |now| now.consumers == 1).await?;
    vhost.limit(SUSPECTS, 1).await?;
    let (mut waits, mut held, mut sent) = (Vec::new(), Vec::new(), HashSet::new());
    for _ in 0..3 {
        let job = job()?;
        sent.insert(job.id);
        waits.push((submit(&api, &job).await?, job));
        held.push(jobs.next().await?);
    }
    drop(held);
    for _ in 0..3 {
        let delivery = jobs.next().await?;
        assert!(sent.remove(&delivery.job.id));
        done(delivery).await?;
    }
    for (wait, job) in waits {
        assert_eq!(answer(wait).await?, reply_to(&job, "done"));
    }
    jobs.none().await
}

#[tokio::test(flavor = "multi_thread")]
async fn suspects_wait_for_room_with_their_worker() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    a_full_queue_of_suspects_loses_none(&fixture, &fixture.0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn unattended_suspects_wait_for_room_with_their_worker() -> anyhow::Result<()> {
    let fixture = Unattended::<OnRabbitMq>::new().await?;
    a_full_queue_of_suspects_loses_none(&fixture, &fixture.0.0).await
}
