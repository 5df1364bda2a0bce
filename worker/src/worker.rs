//! A worker as a whole: put together, running, and drained.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use warren_http::{Bounds, Drained, serve};
use warren_languages::Languages;
use warren_protocol::ids::InstanceId;
use warren_protocol::limits::Limits;
use warren_queue::WorkerQueue;

use crate::config::Config;
use crate::drain::for_jobs;
use crate::engine::Engine;
use crate::execute::Executor;
use crate::health::Health;
use crate::http::{Context, router};
use crate::metrics::{Metrics, Present};
use crate::pool::Pool;
use crate::presence::Presence;
use crate::readiness::{Canary, Monitor, Readiness};
use crate::slots::Slots;
use crate::taking::Taking;
use crate::unattended::UnattendedScheduler;
use crate::{Error, Result, upkeep};

/// A worker, ready to be run.
pub struct Worker {
    config: Config,
    engine: Arc<dyn Engine>,
    queue: Arc<dyn WorkerQueue>,
    executor: Arc<Executor>,
    pool: Pool,
    slots: Slots,
    readiness: Readiness,
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
        queue: (Arc<dyn WorkerQueue>, &'static str),
    ) -> Self {
        let (queue, queue_name) = queue;
        let (slots, readiness) = (Slots::new(config.slots), Readiness::new());
        let pool = Pool::new(
            config.pool.clone(),
            Arc::clone(&engine),
            languages.clone(),
            slots.clone(),
        );
        let metrics = Metrics::new(Present {
            pool: pool.clone(),
            slots: slots.clone(),
            engine: Arc::clone(&engine),
            readiness: readiness.clone(),
        });
        let executor = Arc::new(Executor::new(
            pool.clone(),
            metrics.jobs(),
            languages.clone(),
            instance.clone(),
            readiness.clone(),
        ));
        let context = Arc::new(Context {
            executor: Arc::clone(&executor),
            slots: slots.clone(),
            languages,
            policy: config.policy,
            access: config.access.clone(),
            limits: Limits::default(),
            metrics,
            health: Health {
                instance,
                engine: Arc::clone(&engine),
                readiness: readiness.clone(),
                queue: Arc::clone(&queue),
                queue_name,
                slots: slots.clone(),
                pool: pool.clone(),
                last: Mutex::default(),
            },
        });
        Self {
            config,
            engine,
            queue,
            executor,
            pool,
            slots,
            readiness,
            context,
        }
    }

    /// Takes jobs and serves `listener` until `stop`; then takes no more, lets those that run
    /// end, and waits until their containers are gone. Bounded by the configured drain time: jobs
    /// that still run towards its end go back to the queue. `listener` is served to the last, so
    /// that who asks is told that this worker drains.
    ///
    /// # Errors
    /// The queue or the HTTP server failed for good.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<Drained> {
        let (running, grace_over) = (TaskTracker::new(), CancellationToken::new());
        let sweeping = upkeep::sweep_until(Arc::clone(&self.engine), stop.clone());
        let _sweeper = AbortOnDropHandle::new(tokio::spawn(sweeping));
        let presence = Presence {
            queue: Arc::clone(&self.queue),
            instance: self.context.health.instance.clone(),
            slots: self.slots.clone(),
            state: self.readiness.state(),
        };
        // To the last: that it drains is to be known.
        let _announcing = AbortOnDropHandle::new(tokio::spawn(presence.announce(stop.clone())));
        let monitor = Monitor {
            engine: Arc::clone(&self.engine),
            canary: Canary::new(Arc::clone(&self.executor), self.context.languages.clone()),
            pool: self.pool.clone(),
            slots: self.slots.clone(),
            readiness: self.readiness.clone(),
        };
        let mut monitor = tokio::spawn(monitor.run(stop.clone()));
        let (pool, keeping) = (self.pool, stop.clone());
        let mut keeper = tokio::spawn(async move { pool.keep(keeping).await });
        let taking = Taking {
            queue: self.queue,
            executor: self.executor,
            scheduler: UnattendedScheduler::new(self.slots.clone(), self.config.unattended_share),
            slots: self.slots,
            readiness: self.readiness,
            running: running.clone(),
            grace_over: grace_over.clone(),
        };
        let mut taking = tokio::spawn(taking.run(stop.clone()));
        let grace = self.config.drain;
        let bounds = Bounds {
            grace,
            ..Bounds::default()
        };
        let close = CancellationToken::new();
        let mut http = tokio::spawn(serve(listener, router(self.context), close.clone(), bounds));

        // Whatever ends first, for whatever reason, ends the rest.
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            taken = &mut taking => taken.unwrap_or(Err(Error::Panicked("taking jobs"))),
            kept = &mut keeper => kept.map_err(|_panicked| Error::Panicked("keeping the pool")),
            watched = &mut monitor => watched.map_err(|_panicked| Error::Panicked("watching its engine")),
            served = &mut http => served.map(drop).map_err(|_panicked| Error::Panicked("serving HTTP")),
        };
        let by = Instant::now() + grace;
        stop.cancel();
        running.close();
        let in_flight = async {
            if !taking.is_finished() {
                drop((&mut taking).await);
            }
            running.wait().await;
            close.cancel();
            if !http.is_finished() {
                drop((&mut http).await);
            }
            if !keeper.is_finished() {
                drop((&mut keeper).await);
            }
        };
        let mut drained = Drained::InOrder;
        if timeout(for_jobs(grace), in_flight).await.is_err() {
            drained = Drained::OutOfTime;
            tracing::warn!(
                left = running.len(),
                "jobs still run at the end of the grace period; they go back to the queue"
            );
            grace_over.cancel();
            close.cancel();
            drop(timeout_at(by, running.wait()).await);
        }
        let left = self
            .engine
            .drain(by.saturating_duration_since(Instant::now()))
            .await;
        if left > 0 {
            drained = Drained::OutOfTime;
        }
        result.map(|()| drained)
    }
}
