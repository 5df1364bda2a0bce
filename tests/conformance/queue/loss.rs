//! A worker that dies while it holds a job.

use super::fixture::{Fixture, answer, job, reply_to, submit, until};

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

/// Both workers answer. The waiter gets one of the answers, and the late settlement of the first
/// delivery touches nothing that came later.
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
    // The second delivery is still its worker's own, and fills its prefetch.
    let other = job()?;
    let other_wait = submit(&api, &other).await?;
    others.none().await?;
    again.reply(reply_to(&sent, "again")).await?;
    let delivery = others.next().await?;
    assert_eq!(delivery.job, other);
    assert!(!delivery.redelivered);
    delivery.reply(reply_to(&other, "done")).await?;
    assert_eq!(answer(other_wait).await?, reply_to(&other, "done"));
    others.none().await
}
