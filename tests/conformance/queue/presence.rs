//! Workers announce themselves, and every API knows them for as long as they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use warren_protocol::presence::{FORGOTTEN_AFTER, WorkerState, WorkerStatus};
use warren_protocol::time::EpochMillis;
use warren_queue::ApiQueue;

use super::fixture::{Fixture, SOON, Worker};

fn status(worker: &Worker, state: WorkerState) -> WorkerStatus {
    WorkerStatus {
        version: WorkerStatus::VERSION,
        instance: worker.instance.clone(),
        state,
        slots: 4,
        running: 1,
        service: Some(Duration::from_millis(120)),
        sent_at: EpochMillis::now(),
    }
}

/// Announces until this API receives it: one that has just started listens a moment later.
async fn announced(
    api: &Arc<dyn ApiQueue>,
    worker: &Worker,
    state: &WorkerState,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let status = status(worker, state.clone());
        worker.queue.announce(&status).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let workers = api.workers();
        let heard = workers
            .iter()
            .find(|heard| heard.instance == worker.instance);
        if heard.is_some_and(|heard| heard.state == *state) {
            return Ok(());
        }
        anyhow::ensure!(
            started.elapsed() < SOON,
            "not heard: {status:?}: {workers:?}"
        );
    }
}

pub async fn every_api_learns_of_every_worker<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (apis, workers) = (
        [fixture.api()?, fixture.api()?],
        [fixture.worker()?, fixture.worker()?],
    );
    let reason = "its engine does not answer".to_owned();
    let states = [
        WorkerState::Ready,
        WorkerState::Suspended { reason },
        WorkerState::Draining,
    ];
    for state in &states {
        for api in &apis {
            for worker in &workers {
                announced(api, worker, state).await?;
            }
            assert_eq!(api.workers().len(), 2);
        }
    }
    Ok(())
}

pub async fn a_worker_that_falls_silent_is_forgotten<F: Fixture>() -> anyhow::Result<()> {
    let fixture = F::new().await?;
    let (api, worker) = (fixture.api()?, fixture.worker()?);
    announced(&api, &worker, &WorkerState::Ready).await?;
    let last = Instant::now();
    while !api.workers().is_empty() {
        anyhow::ensure!(last.elapsed() < SOON, "still known: {:?}", api.workers());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The last announcement may have arrived slightly before `last`.
    anyhow::ensure!(last.elapsed() > FORGOTTEN_AFTER / 2, "{:?}", last.elapsed());
    announced(&api, &worker, &WorkerState::Ready).await
}
