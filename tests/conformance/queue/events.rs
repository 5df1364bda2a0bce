//! Events of jobs, which workers and APIs publish to every API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, timeout};
use warren_protocol::event::{Happened, JobEvent};
use warren_protocol::ids::JobId;
use warren_queue::QueueLink;

use super::fixture::{Fixture, SOON};

/// Publishes until this API receives it: one that has just started listens a moment later.
async fn heard(
    ear: &mut Receiver<JobEvent>,
    teller: &Arc<impl QueueLink + ?Sized>,
    event: &JobEvent,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < SOON {
        teller.publish_event(event).await;
        while let Ok(heard) = timeout(Duration::from_millis(100), ear.recv()).await {
            if heard? == *event {
                return Ok(());
            }
        }
    }
    anyhow::bail!("not heard: {event:?}")
}

pub async fn every_api_receives_every_job_event<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (one, other, worker) = (fixture.api()?, fixture.api()?, fixture.worker()?);
    let mut ears = [one.events(), other.events()];
    let running = Happened::Running {
        worker: worker.instance.clone(),
    };
    for ear in &mut ears {
        heard(
            ear,
            &worker.queue,
            &JobEvent::now(JobId::new(), running.clone()),
        )
        .await?;
        heard(ear, &one, &JobEvent::now(JobId::new(), Happened::Finished)).await?;
    }
    // Once both listen, both receive the same, each once.
    let event = JobEvent::now(JobId::new(), running);
    worker.queue.publish_event(&event).await;
    for ear in &mut ears {
        let mut times = 0;
        while let Ok(heard) =
            timeout(if times == 0 { SOON } else { Duration::ZERO }, ear.recv()).await
        {
            times += u32::from(heard.context("an event")? == event);
        }
        assert_eq!(times, 1);
    }
    Ok(())
}
