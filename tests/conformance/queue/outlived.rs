//! Workers that outlive their connections: what they run is answered once, and is no death.

use std::time::{Duration, Instant};

use warren_protocol::reply::Reply;
use warren_queue::rabbit::topology::DEAD_JOBS;
use warren_queue::{Delivery, Patience, PendingReply, QueueError};

use super::fixture::{
    Fixture, Jobs, OnRabbitMq, SOON, Worker, answer, job, patient_worker_on, reply_to, submit,
    until,
};
use super::unattended::Unattended;
use crate::harness::rabbitmq::Vhost;

/// Longer than any test takes: who is waited for so long is not given up.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// A fixture on RabbitMQ, with its virtual host.
trait OnBroker: Fixture {
    fn vhost(&self) -> &Vhost;

    /// Creates a worker that gives no other up.
    fn patient(&self) -> anyhow::Result<Worker> {
        let patience = Patience {
            attended: FOR_EVER,
            unattended: FOR_EVER,
        };
        patient_worker_on(&self.vhost().amqp_url(), patience)
    }
}

impl OnBroker for OnRabbitMq {
    fn vhost(&self) -> &Vhost {
        &self.0
    }
}

impl OnBroker for Unattended<OnRabbitMq> {
    fn vhost(&self) -> &Vhost {
        &self.0.0
    }
}

/// Runs each test for both classes of jobs.
macro_rules! both {
    ($($test:ident),+ $(,)?) => {
        mod attended {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> anyhow::Result<()> {
                super::$test::<super::OnRabbitMq>().await
            })+
        }

        mod unattended {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() -> anyhow::Result<()> {
                super::$test::<super::Unattended<super::OnRabbitMq>>().await
            })+
        }
    };
}

both! {
    a_job_that_returns_to_its_own_worker_is_not_run_again,
    a_reply_to_a_lost_message_settles_the_job_everywhere,
    a_lost_connection_costs_a_suspect_no_try,
    a_suspect_is_not_judged_while_its_worker_claims_it,
    a_living_worker_that_lets_go_of_a_suspect_costs_it_no_try,
}

/// Ends the worker's connections, and waits until it has new ones.
async fn severed<F: OnBroker>(fixture: &F, worker: &Worker) -> anyhow::Result<()> {
    let (vhost, name) = (fixture.vhost(), worker.instance.as_str());
    let lost = vhost.close_connections(name, 2).await?;
    let started = Instant::now();
    loop {
        let open = vhost.connections(name).await?;
        if open.len() >= 2 && open.iter().all(|one| !lost.contains(one)) {
            break;
        }
        anyhow::ensure!(started.elapsed() < SOON, "{open:?} after {lost:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until(&worker.queue, "it is connected again", |_| true).await?;
    Ok(())
}

async fn a_job_that_returns_to_its_own_worker_is_not_run_again<F: OnBroker>() -> anyhow::Result<()>
{
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.patient()?);
    let mut jobs = worker.take_jobs(2).await?;
    let sent = job()?;
    let wait = submit(&api, &sent).await?;
    let held = jobs.next().await?;
    for _ in 0..3 {
        severed(&fixture, &worker).await?;
        until(&api, "the worker consumes again", |now| now.consumers == 1).await?;
        jobs.none().await?;
    }
    held.reply(reply_to(&sent, "once")).await?;
    assert_eq!(answer(wait).await?, reply_to(&sent, "once"));
    nothing_is_left(&fixture, &mut jobs).await
}

/// Watches the last worker for a while: no job may come, and none may be among the dead.
async fn nothing_is_left<F: OnBroker>(fixture: &F, jobs: &mut Jobs) -> anyhow::Result<()> {
    jobs.none().await?;
    let dead = fixture.vhost().take_all(DEAD_JOBS, 1).await?;
    anyhow::ensure!(dead.is_empty(), "{dead:?}");
    Ok(())
}

/// Returns a suspect that `worker` runs alone, and its caller's wait. The worker takes no further
/// jobs, so another gets this one if it comes back.
async fn suspect<F: OnBroker>(
    fixture: &F,
    worker: &Worker,
) -> anyhow::Result<(Delivery, PendingReply)> {
    let api = fixture.api()?;
    let mut jobs = worker.take_jobs(1).await?;
    let sent = job()?;
    let wait = submit(&api, &sent).await?;
    drop(jobs.next().await?);
    let suspect = jobs.next().await?;
    assert_eq!(suspect.job, sent);
    worker.stop.cancel();
    jobs.ended().await?;
    // The waiter lives as long as its API.
    std::mem::forget(api);
    Ok((suspect, wait))
}

fn by(worker: &str, delivery: &Delivery) -> Reply {
    reply_to(&delivery.job, worker)
}

async fn a_reply_to_a_lost_message_settles_the_job_everywhere<F: OnBroker>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (first, second) = (fixture.patient()?, fixture.patient()?);
    let (held, wait) = suspect(&fixture, &first).await?;
    let mut others = second.take_jobs(1).await?;
    until(&second.queue, "it is connected", |_| true).await?;
    severed(&fixture, &first).await?;
    let expected = by("first", &held);
    let answered = async {
        held.reply(expected.clone()).await?;
        assert_eq!(answer(wait).await?, expected);
        Ok(())
    };
    others.none_until(answered).await?;
    // Whether it came back to the second one before or after the answer.
    nothing_is_left(&fixture, &mut others).await
}

async fn a_lost_connection_costs_a_suspect_no_try<F: OnBroker>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (first, second) = (fixture.patient()?, fixture.patient()?);
    let (held, wait) = suspect(&fixture, &first).await?;
    let mut others = second.take_jobs(1).await?;
    let expected = by("first", &held);
    let network = async {
        // The one that runs it, and the one that wonders whether that still lives.
        for _ in 0..F::tries() {
            severed(&fixture, &first).await?;
            severed(&fixture, &second).await?;
            // The second one has taken the suspect again.
            until(&second.queue, "no suspect waits", |now| {
                now.waiting + now.unattended == 0
            })
            .await?;
        }
        held.reply(expected.clone()).await?;
        assert_eq!(answer(wait).await?, expected);
        Ok(())
    };
    others.none_until(network).await?;
    nothing_is_left(&fixture, &mut others).await
}

/// Here patience ends, so that nothing but the claims keeps the job from being judged.
async fn a_suspect_is_not_judged_while_its_worker_claims_it<F: OnBroker>() -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(15);
    let fixture = F::new().await?;
    let patience = Patience {
        attended: PATIENCE,
        unattended: PATIENCE,
    };
    let (first, second) = (
        fixture.patient()?,
        patient_worker_on(&fixture.vhost().amqp_url(), patience)?,
    );
    let (held, wait) = suspect(&fixture, &first).await?;
    let mut others = second.take_jobs(1).await?;
    until(&second.queue, "it is connected", |_| true).await?;
    let expected = by("first", &held);
    let claimed = async {
        severed(&fixture, &first).await?;
        until(&second.queue, "it has the suspect", |now| {
            now.waiting + now.unattended == 0
        })
        .await?;
        tokio::time::sleep(PATIENCE + Duration::from_secs(5)).await;
        held.reply(expected.clone()).await?;
        assert_eq!(answer(wait).await?, expected);
        Ok(())
    };
    others.none_until(claimed).await?;
    nothing_is_left(&fixture, &mut others).await
}

async fn a_living_worker_that_lets_go_of_a_suspect_costs_it_no_try<F: OnBroker>()
-> anyhow::Result<()> {
    let fixture = F::new().await?;
    let first = fixture.patient()?;
    let (mut held, wait) = suspect(&fixture, &first).await?;
    let mut last = first;
    for _ in 0..=F::tries() {
        let next = fixture.patient()?;
        let mut jobs = next.take_jobs(1).await?;
        until(&next.queue, "it is connected", |_| true).await?;
        severed(&fixture, &last).await?;
        let refused = held.requeue().await;
        assert!(
            matches!(refused, Err(QueueError::Disconnected)),
            "{refused:?}"
        );
        held = jobs.next().await?;
        next.stop.cancel();
        jobs.ended().await?;
        last = next;
    }
    let expected = by("last", &held);
    held.reply(expected.clone()).await?;
    assert_eq!(answer(wait).await?, expected);
    let worker = fixture.patient()?;
    nothing_is_left(&fixture, &mut worker.take_jobs(1).await?).await
}
