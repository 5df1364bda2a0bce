//! The API's side of the queue on RabbitMQ.

mod callbacks;
mod feed;
mod replies;
mod results;
mod submit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

use self::callbacks::Due;
use self::replies::ReplyConsumer;
use self::submit::Submitter;
use super::broadcast::cancellations::cancel;
use super::broadcast::events;
use super::link::config::RabbitConfig;
use super::link::life::Life;
use super::link::subscription::{After, SingleSubscription};
use super::link::supervisor::supervise;
use super::publish::{Publishers, Replier};
use crate::event_bus::EventBus;
use crate::waiters::Waiters;
use crate::worker_registry::WorkerRegistry;
use crate::{
    ApiQueue, BrokerPool, Callback, CallbackDelivery, PendingReply, Prefetch, QueueError,
    QueueLink, QueueStatus, STATUS_TIMEOUT, SubmitError, Unclaimed,
};

/// Unclaimed replies handed to the recorder at a time.
const UNCLAIMED_PREFETCH: u16 = 16;

/// An API instance's handle of the queue on RabbitMQ. The broker need not be reachable: connections
/// are made, and rebuilt, in the background.
pub struct RabbitApi {
    submitter: Submitter,
    publishers: Publishers,
    workers: Arc<WorkerRegistry>,
    recorder: SingleSubscription<Unclaimed>,
    poster: SingleSubscription<CallbackDelivery>,
    config: RabbitConfig,
    events: EventBus,
    life: Life,
}

impl RabbitApi {
    /// Creates a handle that connects from now on. Must be called within a Tokio runtime. `stop`
    /// releases everything at once, as [`QueueLink::close`] does; it is for the end of the process,
    /// not for the beginning of its drain.
    #[must_use]
    pub fn new(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let publishers = Publishers::start(&config, &life);
        let waiters = Arc::new(Waiters::default());
        let (workers, events) = (Arc::new(WorkerRegistry::default()), EventBus::default());
        let consumer = ReplyConsumer {
            instance: config.instance().clone(),
            waiters: Arc::clone(&waiters),
            workers: Arc::clone(&workers),
            events: events.clone(),
            replier: Replier(publishers.clone()),
        };
        let stop = life.stop.clone();
        let replies = supervise(consumer, config.clone(), stop, &life.consuming);
        Self {
            submitter: Submitter {
                publishers: publishers.clone(),
                replies,
                waiters,
            },
            publishers,
            workers,
            recorder: SingleSubscription::new(After::Nothing),
            poster: SingleSubscription::new(After::Nothing),
            config,
            events,
            life,
        }
    }
}

impl QueueLink for RabbitApi {
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>> {
        Box::pin(async move {
            if self.life.stop.is_cancelled() {
                return Err(QueueError::Closed);
            }
            let (replies, _publisher) = self.submitter.check()?;
            replies.connected.ask(STATUS_TIMEOUT).await
        })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        Box::pin(events::publish(&self.publishers.interactive, event))
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.life.close(grace))
    }
}

impl ApiQueue for RabbitApi {
    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<PendingReply, SubmitError>> {
        Box::pin(self.submitter.submit(job))
    }

    fn submit_unattended<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(self.submitter.submit_unattended(job))
    }

    fn withdraw(&self, job: JobId, deadline: Deadline) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            match cancel(&self.publishers.interactive, job, deadline).await {
                Ok(()) => {
                    tracing::debug!(job.id = %job, "notified the workers that the job is not wanted");
                }
                Err(error) => {
                    tracing::warn!(job.id = %job, %error, "cannot cancel the job; its deadline ends it");
                }
            }
        })
    }

    fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Unclaimed>, QueueError>> {
        Box::pin(async move {
            let life = &self.life;
            let receiver = self.recorder.subscribe(
                "the stream of unclaimed replies",
                UNCLAIMED_PREFETCH,
                usize::from(UNCLAIMED_PREFETCH),
                stop,
                &life.stop,
                &life.tasks,
            )?;
            let feed = results::feed(self.config.instance().clone(), self.recorder.clone());
            let config = self.config.clone();
            supervise(feed, config, life.stop.clone(), &life.consuming);
            Ok(receiver)
        })
    }

    fn queue_callback<'a>(
        &'a self,
        callback: &'a Callback,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(callbacks::queue(
            &self.publishers.durable,
            callback,
            Due::Now,
        ))
    }

    fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<CallbackDelivery>, QueueError>> {
        Box::pin(async move {
            let (held, life) = (prefetch.0.get(), &self.life);
            let receiver = self.poster.subscribe(
                "the stream of callbacks",
                held,
                held.into(),
                stop,
                &life.stop,
                &life.tasks,
            )?;
            let feed = callbacks::feed(
                self.config.instance().clone(),
                self.poster.clone(),
                self.publishers.durable.clone(),
            );
            let config = self.config.clone();
            supervise(feed, config, life.stop.clone(), &life.consuming);
            Ok(receiver)
        })
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.workers.at(Instant::now())
    }

    fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.events.subscribe()
    }

    fn waiting(&self) -> Option<u32> {
        let replies = self.submitter.replies.now().ok()?;
        replies.connected.last_status().map(|status| status.waiting)
    }

    fn broker_pool(&self) -> Option<BrokerPool> {
        self.publishers.durable.status()
    }
}
