//! The worker's side of the queue on RabbitMQ.

mod claims;
mod colleagues;
mod consumers;
mod delivery;
mod doubt;
mod failed;
mod held_jobs;
mod isolation;
mod token;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::presence::WorkerStatus;

use self::claims::Claims;
use self::colleagues::Colleagues;
use self::consumers::JobConsumers;
use super::broadcast::{events, presence};
use super::link::config::RabbitConfig;
use super::link::connection::Connected;
use super::link::life::Life;
use super::link::subscription::{After, SingleSubscription};
use super::link::supervisor::{Link, supervise};
use super::publish::{Publishers, Replier};
use crate::{
    Deliveries, Offer, Prefetch, QueueError, QueueLink, QueueStatus, STATUS_TIMEOUT, WorkerQueue,
};

/// A worker's handle of the queue on RabbitMQ. The broker need not be reachable: connections are
/// made, and rebuilt, in the background.
pub struct RabbitWorker {
    publishers: Publishers,
    consumer: Link<Arc<Connected>>,
    subscriber: SingleSubscription<Offer, Prefetch>,
    life: Life,
}

impl RabbitWorker {
    /// Creates a handle that connects from now on; `stop` as for
    /// [`RabbitApi::new`](crate::RabbitApi::new).
    #[must_use]
    pub fn new(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let publishers = Publishers::start(&config, &life);
        let subscriber = SingleSubscription::new(After::Another);
        let colleagues = Arc::new(Colleagues {
            worker: config.instance().clone(),
            publisher: publishers.interactive.clone(),
            claims: Claims::default(),
            held: Arc::default(),
            tasks: life.tasks.clone(),
        });
        let claiming = Arc::clone(&colleagues).claim_orphans(life.stop.clone());
        life.tasks.spawn(claiming);
        let consumers = JobConsumers {
            instance: config.instance().clone(),
            subscriber: subscriber.clone(),
            cancellations: Arc::default(),
            replier: Replier(publishers.clone()),
            colleagues,
            patience: config.patience(),
        };
        let consumer = supervise(consumers, config, life.stop.clone(), &life.consuming);
        Self {
            publishers,
            consumer,
            subscriber,
            life,
        }
    }
}

impl QueueLink for RabbitWorker {
    fn status(&self) -> BoxFuture<'_, Result<QueueStatus, QueueError>> {
        Box::pin(async move {
            if self.life.stop.is_cancelled() {
                return Err(QueueError::Closed);
            }
            self.publishers
                .interactive
                .now()?
                .connected()
                .check_publishable()?;
            self.consumer.now()?.ask(STATUS_TIMEOUT).await
        })
    }

    fn publish_event<'a>(&'a self, event: &'a JobEvent) -> BoxFuture<'a, ()> {
        Box::pin(events::publish(&self.publishers.interactive, event))
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.life.close(grace))
    }
}

impl WorkerQueue for RabbitWorker {
    fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<Deliveries, QueueError>> {
        Box::pin(async move {
            let fetched = self.subscriber.subscribe(
                "the stream of jobs",
                prefetch,
                prefetch.total(),
                stop.clone(),
                &self.life.stop,
                &self.life.tasks,
            )?;
            Ok(Deliveries::new(fetched, stop, self.life.stop.clone()))
        })
    }

    fn announce<'a>(&'a self, status: &'a WorkerStatus) -> BoxFuture<'a, ()> {
        Box::pin(presence::announce(&self.publishers.interactive, status))
    }
}
