//! A worker as a whole: put together, running, and drained.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use warren_http::{Bounds, serve};
use warren_shared::ids::InstanceId;
use warren_shared::languages::Languages;
use warren_shared::limits::Limits;
use warren_shared::presence::WorkerState;
use warren_shared::queue::JobQueue;

use crate::config::Config;
use crate::consume::consume;
use crate::engine::Engine;
use crate::execute::Executor;
use crate::health::Health;
use crate::http::{Context, router};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::presence::Presence;
use crate::slots::Slots;
use crate::{Error, Result, upkeep};

/// A worker, ready to be run.
pub struct Worker {
    config: Config,
    engine: Arc<dyn Engine>,
    queue: Arc<dyn JobQueue>,
    executor: Arc<Executor>,
    pool: Pool,
    slots: Slots,
    context: Arc<Context>,
}

impl Worker {
    /// A worker of these parts; `queue_name` is what health calls the queue.
    #[must_use]
    pub fn new(
        config: Config,
        instance: InstanceId,
        languages: Languages,
        engine: Arc<dyn Engine>,
        queue: (Arc<dyn JobQueue>, &'static str),
    ) -> Self {
        let (queue, queue_name) = queue;
        let slots = Slots::new(config.slots);
        let pool = Pool::new(
            config.pool.clone(),
            Arc::clone(&engine),
            languages.clone(),
            slots.clone(),
        );
        let metrics = Metrics::new(pool.clone(), slots.clone());
        let executor = Arc::new(Executor::new(
            pool.clone(),
            metrics.jobs(),
            languages.clone(),
            instance.clone(),
        ));
        let context = Arc::new(Context {
            executor: Arc::clone(&executor),
            slots: slots.clone(),
            languages,
            policy: config.policy,
            limits: Limits::default(),
            metrics,
            health: Health {
                instance,
                engine: Arc::clone(&engine),
                queue: Arc::clone(&queue),
                queue_name,
                slots: slots.clone(),
                pool: pool.clone(),
            },
        });
        Self {
            config,
            engine,
            queue,
            executor,
            pool,
            slots,
            context,
        }
    }

    /// Takes jobs and serves `listener` until `stop`; then takes no more, lets those that run
    /// end, and waits until their containers are gone. Bounded by the configured drain time.
    ///
    /// # Errors
    /// The queue or the HTTP server failed for good.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let running = TaskTracker::new();
        let sweeper = tokio::spawn(upkeep::sweep_until(Arc::clone(&self.engine), stop.clone()));
        // Ready once it is.
        let reason = "its container engine is not ready".to_owned();
        let (state, told) = watch::channel(WorkerState::Suspended { reason });
        let presence = Presence {
            queue: Arc::clone(&self.queue),
            instance: self.context.health.instance.clone(),
            slots: self.slots.clone(),
            state: told,
        };
        let announcing = AbortOnDropHandle::new(tokio::spawn(presence.announce(stop.clone())));
        let taking = (self.queue, self.executor, self.slots);
        let pool = self.pool;
        let (engine, jobs, halt) = (Arc::clone(&self.engine), running.clone(), stop.clone());
        let keeping = stop.clone();
        let mut consumer = tokio::spawn(async move {
            // A worker that cannot run anything must not take jobs from one that can.
            if upkeep::prepared(engine, &halt).await {
                state.send_replace(WorkerState::Ready);
                let mut keeper = tokio::spawn(async move { pool.keep(keeping).await });
                let consuming = consume(taking.0, taking.1, taking.2, jobs, halt.clone());
                tokio::pin!(consuming);
                let panicked = |_| Error::Panicked("keeping the pool");
                tokio::select! {
                    consumed = &mut consuming => {
                        halt.cancel();
                        keeper.await.map_err(panicked)?;
                        consumed
                    }
                    kept = &mut keeper => {
                        kept.map_err(panicked)?;
                        consuming.await
                    }
                }
            } else {
                Ok(())
            }
        });
        let bounds = Bounds {
            grace: self.config.drain,
            ..Bounds::default()
        };
        let mut http = tokio::spawn(serve(listener, router(self.context), stop.clone(), bounds));

        // Whatever ends first, for whatever reason, ends the rest.
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            consumed = &mut consumer => consumed.unwrap_or(Err(Error::Panicked("taking jobs"))),
            served = &mut http => served.map_err(|_panicked| Error::Panicked("serving HTTP")),
        };
        stop.cancel();
        running.close();
        let in_flight = async {
            if !consumer.is_finished() {
                drop((&mut consumer).await);
            }
            running.wait().await;
            if !http.is_finished() {
                drop((&mut http).await);
            }
        };
        if tokio::time::timeout(self.config.drain, in_flight)
            .await
            .is_err()
        {
            tracing::warn!(
                left = running.len(),
                "jobs still run at the end of the grace period; they go back to the queue"
            );
        }
        self.engine.drain(self.config.drain).await;
        drop(sweeper.await);
        drop(announcing);
        result
    }
}
