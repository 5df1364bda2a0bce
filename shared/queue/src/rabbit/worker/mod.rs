//! The worker's side of the queue on RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::presence::WorkerStatus;

use super::config::RabbitConfig;
use super::connected::Connected;
use super::jobs::Consuming;
use super::life::Life;
use super::publisher::{Publisher, Publishing};
use super::replier::Replier;
use super::streams::{After, Slot};
use super::supervisor::{Link, supervise};
use super::{events, presence};
use crate::{
    Deliveries, Offer, Prefetch, QueueError, QueueLink, QueueStatus, STATUS_TIMEOUT, WorkerQueue,
};

/// A worker's handle of the queue on RabbitMQ. The broker need not be reachable: connections are
/// made, and rebuilt, in the background.
pub struct RabbitWorker {
    publisher: Link<Publisher>,
    consumer: Link<Arc<Connected>>,
    subscriber: Slot<Offer, Prefetch>,
    life: Life,
}

impl RabbitWorker {
    /// A handle that connects from now on; `stop` as for [`RabbitApi::new`](crate::RabbitApi::new).
    #[must_use]
    pub fn new(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let publisher = supervise(Publishing, config.clone(), life.publishing(), &life.tasks);
        let subscriber = Slot::new(After::Another);
        let consuming = Consuming {
            instance: config.instance().clone(),
            subscriber: subscriber.clone(),
            cancellations: Arc::default(),
            replier: Replier(publisher.clone()),
        };
        let consumer = supervise(consuming, config, life.stop.clone(), &life.consuming);
        Self {
            publisher,
            consumer,
            subscriber,
            life,
        }
    }
}

#[async_trait]
impl QueueLink for RabbitWorker {
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        if self.life.stop.is_cancelled() {
            return Err(QueueError::Closed);
        }
        self.publisher.now()?.connected().check_publishable()?;
        self.consumer.now()?.ask(STATUS_TIMEOUT).await
    }

    async fn publish_event(&self, event: &JobEvent) {
        events::publish(&self.publisher, event).await;
    }

    async fn close(&self, grace: Duration) {
        self.life.close(grace).await;
    }
}

#[async_trait]
impl WorkerQueue for RabbitWorker {
    async fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<Deliveries, QueueError> {
        let fetched = self.subscriber.subscribe(
            "the stream of jobs",
            prefetch,
            prefetch.total(),
            stop.clone(),
            &self.life.stop,
            &self.life.tasks,
        )?;
        Ok(Deliveries::new(fetched, stop, self.life.stop.clone()))
    }

    async fn announce(&self, status: &WorkerStatus) {
        presence::announce(&self.publisher, status).await;
    }
}
