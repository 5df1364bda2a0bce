//! Jobs that were lost with their worker: each is retried once, alone.
//!
//! So no job is blamed for another. In process, a worker can only be lost with the whole process.

use std::collections::HashSet;

use warren_queue::rabbit::topology::{DEAD_JOBS, SUSPECTS, TURNS};
use warren_queue::{Delivery, QueueStatus};

use super::fixture::{Fixture, OnRabbitMq, answer, given_up, job, reply_to, submit, until};
use super::rabbitmq::works;
use super::unattended::Unattended;
use crate::harness::rabbitmq::Vhost;

/// The number of jobs that a worker holds when it is lost.
const HELD: u16 = 6;

/// Returns how many jobs of the suite's class wait; suspects count as interactive.
fn waiting(now: QueueStatus) -> u32 {
    now.waiting + now.unattended
}

async fn done(delivery: Delivery) -> anyhow::Result<()> {
    let reply = reply_to(&delivery.job, "done");
    Ok(delivery.reply(reply).await?)
}

/// Starts workers, one after the other, that hold what they can and are lost; the last one stays.
async fn however_often_workers_are_lost<F: Fixture>(fixture: &F) -> anyhow::Result<()> {
    let rounds = 2 * F::tries();
    let api = fixture.api()?;
    let mut waits = Vec::new();
    for round in 0..rounds {
        let worker = fixture.worker()?;
        let mut jobs = worker.take_jobs(HELD).await?;
        until(&api, "the worker is there", |now| now.consumers == 1).await?;
        if round == 0 {
            for _ in 0..HELD {
                let job = job()?;
                waits.push((submit(&api, &job).await?, job));
            }
        }
        // In the first round all jobs are held; later on they are suspects, one of which has its
        // token here. Like a worker that is still busy, this one does not fetch it.
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
        fixture.kill(&worker).await?;
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
async fn jobs_of_lost_workers_are_run_however_often_workers_are_lost() -> anyhow::Result<()> {
    however_often_workers_are_lost(&OnRabbitMq::new().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn unattended_jobs_of_lost_workers_are_run_as_well() -> anyhow::Result<()> {
    however_often_workers_are_lost(&Unattended::<OnRabbitMq>::new().await?).await
}

/// Runs a poison job among others. It kills every worker that runs it, and with the first one the
/// jobs beside it are lost.
async fn only_the_cause_is_given_up<F: Fixture>(fixture: &F, vhost: &Vhost) -> anyhow::Result<()> {
    let api = fixture.api()?;
    let poison = job()?;
    let (mut neighbours, mut wait) = (Vec::new(), None);
    let mut tries = 0;
    while tries < F::tries() {
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
                fixture.kill(&worker).await?;
                drop((delivery, held));
                break;
            }
            // Some of the others may have their tokens before the poison's token arrives.
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
                assert_ne!(delivery.job, poison, "one try too many");
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
async fn a_poison_job_is_given_up_and_no_job_beside_it() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    only_the_cause_is_given_up(&fixture, &fixture.0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unattended_poison_job_is_given_up_and_no_job_beside_it() -> anyhow::Result<()> {
    let fixture = Unattended::<OnRabbitMq>::new().await?;
    only_the_cause_is_given_up(&fixture, &fixture.0.0).await
}

/// Some tokens lead to nothing: their suspects were taken by means of others, or expired.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_suspect_is_ignored() -> anyhow::Result<()> {
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

/// A suspect whose token was lost is run by means of another's.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_without_a_token_of_its_own_is_run() -> anyhow::Result<()> {
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

/// Checks that suspects that find no room stay with their worker until there is some, and that this
/// does not count as a try.
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
