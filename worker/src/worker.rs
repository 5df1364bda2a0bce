//! A whole worker: puts its parts together, runs them, and drains them.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use warren_http::{Answers, Bounds, Drained, ForeignPages, Hosts, serve};
use warren_languages::Languages;
use warren_protocol::ids::InstanceId;
use warren_protocol::limits::Limits;
use warren_queue::WorkerQueue;

use crate::condition::{Canary, Health, Monitor, Presence, SelfTest};
use crate::config::Config;
use crate::engine::Engine;
use crate::intake::{Context, JobIntake, PROBES, Replies, Settler, UnattendedScheduler, router};
use crate::metrics::{Gauges, Metrics};
use crate::readiness::Readiness;
use crate::run::Executor;
use crate::sandbox::Pool;
use crate::slots::Slots;
use crate::{Error, Result};

/// The pause between two sweeps for containers whose owner is gone.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The part of the grace period that is kept to hand jobs back and have containers removed.
const HAND_BACK_RESERVE: Duration = Duration::from_millis(1_500);

/// A worker that is ready to run.
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
    /// Creates a worker of these parts; `queue` comes with its name in health reports.
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
        let metrics = Metrics::new(Gauges {
            pool: pool.clone(),
            slots: slots.clone(),
            engine: Arc::clone(&engine),
            readiness: readiness.clone(),
        });
        let isolation = config.isolation.unwrap_or_else(|| engine.isolation());
        let executor = Arc::new(Executor::new(
            isolation,
            pool.clone(),
            metrics.jobs(),
            languages.clone(),
            instance.clone(),
            engine.name(),
            readiness.clone(),
        ));
        let context = Arc::new(Context {
            executor: Arc::clone(&executor),
            slots: slots.clone(),
            languages,
            policy: config.policy,
            foreign: Arc::new(ForeignPages {
                origins: Vec::new(),
                hosts: (!config.access.asks_for_secret()).then(|| Hosts {
                    named: config.hosts.clone(),
                    only_loopback: config.address.ip().is_loopback(),
                }),
                probes: &PROBES,
            }),
            answers: Answers::default(),
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

    /// Takes jobs and serves `listener` until `stop`. Then takes no more, lets running jobs end, and
    /// waits until their containers are gone.
    ///
    /// The configured drain time bounds the stop: jobs that still run towards its end go back to the
    /// queue. `listener` is served to the last, so that health checks see that this worker drains.
    ///
    /// The queue or the HTTP server failed permanently.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<Drained> {
        let (running, grace_over) = (TaskTracker::new(), CancellationToken::new());
        let sweeping = sweep_until(Arc::clone(&self.engine), stop.clone());
        let _sweeper = AbortOnDropHandle::new(tokio::spawn(sweeping));
        let presence = Presence {
            queue: Arc::clone(&self.queue),
            instance: self.context.health.instance.clone(),
            slots: self.slots.clone(),
            state: self.readiness.state(),
        };
        // Announced to the last, so that every API knows that it drains.
        let _announcing = AbortOnDropHandle::new(tokio::spawn(presence.announce(stop.clone())));
        let monitor = Monitor {
            engine: Arc::clone(&self.engine),
            canary: Canary::new(Arc::clone(&self.executor), self.context.languages.clone()),
            self_test: SelfTest {
                engine: Arc::clone(&self.engine),
                readiness: self.readiness.clone(),
                slots: self.slots.count(),
            },
            pool: self.pool.clone(),
            slots: self.slots.clone(),
            readiness: self.readiness.clone(),
        };
        let mut monitor = tokio::spawn(monitor.run(stop.clone()));
        let (pool, keeping) = (self.pool, stop.clone());
        let mut refiller = tokio::spawn(async move { pool.keep(keeping).await });
        let replies = Replies::new(self.slots.count());
        let intake = JobIntake {
            settler: Settler {
                executor: self.executor,
                queue: Arc::clone(&self.queue),
                hand_back_now: grace_over.clone(),
                replies: replies.clone(),
            },
            queue: self.queue,
            scheduler: UnattendedScheduler::new(self.slots.clone(), self.config.unattended_share),
            slots: self.slots,
            readiness: self.readiness,
            running: running.clone(),
        };
        let mut intake = tokio::spawn(intake.run(stop.clone()));
        let grace = self.config.drain;
        let bounds = Bounds {
            grace,
            ..Bounds::default()
        };
        let close = CancellationToken::new();
        let mut http = tokio::spawn(serve(listener, router(self.context), close.clone(), bounds));

        // The first part to end, for whatever reason, ends the rest.
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            taken = &mut intake => taken.unwrap_or(Err(Error::Panicked("taking jobs"))),
            kept = &mut refiller => kept.map_err(|_panicked| Error::Panicked("keeping the pool")),
            watched = &mut monitor => watched.map_err(|_panicked| Error::Panicked("watching its engine")),
            served = &mut http => served.map(drop).map_err(|_panicked| Error::Panicked("serving HTTP")),
        };
        let by = Instant::now() + grace;
        stop.cancel();
        running.close();
        let in_flight = async {
            if !intake.is_finished() {
                drop((&mut intake).await);
            }
            running.wait().await;
            replies.all_sent().await;
            close.cancel();
            if !http.is_finished() {
                drop((&mut http).await);
            }
            if !refiller.is_finished() {
                drop((&mut refiller).await);
            }
        };
        let mut drained = Drained::InOrder;
        if timeout(time_for_jobs(grace), in_flight).await.is_err() {
            if running.is_empty() && replies.waiting() > 0 {
                // Not out of time: no job was cut short, and nothing here could be done better. The
                // queue still has these jobs, and delivers them again.
                tracing::warn!(
                    left = replies.waiting(),
                    "replies cannot be published, since the queue is away; their jobs are run again once it is back"
                );
            } else {
                drained = Drained::OutOfTime;
                tracing::warn!(
                    left = running.len(),
                    "jobs still run at the end of the grace period; handing them back to the queue"
                );
            }
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

/// Returns the part of the grace period that running jobs may take.
fn time_for_jobs(grace: Duration) -> Duration {
    grace.saturating_sub(HAND_BACK_RESERVE).max(grace / 2)
}

/// Removes containers whose owner is gone, periodically until `stop`.
async fn sweep_until(engine: Arc<dyn Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = engine.sweep().await {
            tracing::warn!(%error, "failed to look for containers whose owner is gone; retrying soon");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}
