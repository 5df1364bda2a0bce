//! A worker that dies while it holds a job.

use super::fixture::{Fixture, answer, given_up, job, reply_to, submit, until};

pub async fn a_dead_workers_job_goes_to_another<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let mut jobs = first.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    let _held = jobs.next().await?;
    let mut others = second.take_jobs(1).await?;
    until(&api, "the second worker is ready", |now| now.consumers == 2).await?;
    fixture.sever(&first).await?;
    let delivery = others.next().await?;
    assert_eq!(delivery.job, sent);
    assert!(delivery.redelivered);
    delivery.reply(reply_to(&sent, "second")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "second"));
    Ok(())
}

/// The workers are lost by the end of their connections, as when their processes die.
pub async fn a_job_that_killed_every_worker_is_answered<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let api = fixture.api()?;
    let last = fixture.worker()?;
    let (poison, normal) = (job()?, job()?);
    let mut pending = None;
    for tried in 0..F::tries() {
        let worker = fixture.worker()?;
        let mut jobs = worker.take_jobs(1).await?;
        if tried == 0 {
            pending = Some(submit(&api, &poison).await?);
        }
        let held = jobs.next().await?;
        assert_eq!((&held.job, held.redelivered), (&poison, tried > 0));
        worker.stop.cancel();
        fixture.kill(&worker).await?;
        drop(held);
    }
    let mut jobs = last.take_jobs(1).await?;
    if let Some(pending) = pending {
        given_up(pending, &poison, &mut jobs).await?;
    }
    let pending = submit(&api, &normal).await?;
    let delivery = jobs.next().await?;
    assert_eq!(delivery.job, normal);
    delivery.reply(reply_to(&normal, "done")).await?;
    answer(pending).await?;
    jobs.none().await
}

/// Both workers answer. The waiter gets one of the answers, and the late settlement of the first
/// delivery affects no later one.
pub async fn a_job_answered_after_the_connection_died_is_answered<F: Fixture>() -> anyhow::Result<()>
{
    let fixture = F::new().await?;
    let (api, first, second) = (fixture.api()?, fixture.worker()?, fixture.worker()?);
    let mut jobs = first.take_jobs(1).await?;
    let sent = job()?;
    let pending = submit(&api, &sent).await?;
    let late = jobs.next().await?;
    let mut others = second.take_jobs(1).await?;
    until(&api, "the second worker is ready", |now| now.consumers == 2).await?;
    first.stop.cancel();
    fixture.sever(&first).await?;
    let again = others.next().await?;
    assert_eq!(again.job, sent);
    late.reply(reply_to(&sent, "late")).await?;
    assert_eq!(answer(pending).await?, reply_to(&sent, "late"));
    // The second delivery still belongs to its worker.
    let other = job()?;
    let other_wait = submit(&api, &other).await?;
    again.reply(reply_to(&sent, "again")).await?;
    let delivery = others.next().await?;
    assert_eq!(delivery.job, other);
    assert!(!delivery.redelivered);
    delivery.reply(reply_to(&other, "done")).await?;
    assert_eq!(answer(other_wait).await?, reply_to(&other, "done"));
    others.none().await
}
