//! The API's side of the queue on RabbitMQ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

use super::callbacks::{Calling, Due, queue};
use super::cancelling::cancel;
use super::config::RabbitConfig;
use super::events;
use super::life::Life;
use super::publisher::Publishing;
use super::replier::Replier;
use super::replies::Listening;
use super::results::Recording;
use super::streams::{After, Slot};
use super::submit::Submitter;
use super::supervisor::supervise;
use crate::bulletin::Bulletin;
use crate::roll::Roll;
use crate::waiters::Waiters;
use crate::{
    ApiQueue, Callback, CallbackDelivery, PendingReply, Prefetch, QueueError, QueueLink,
    QueueStatus, STATUS_TIMEOUT, SubmitError, Unclaimed,
};

/// Unclaimed replies handed to the recorder at a time.
const UNCLAIMED_PREFETCH: u16 = 16;

/// An API instance's handle of the queue on RabbitMQ. The broker need not be reachable: connections
/// are made, and rebuilt, in the background.
pub struct RabbitApi {
    submitter: Submitter,
    roll: Arc<Roll>,
    recorder: Slot<Unclaimed>,
    poster: Slot<CallbackDelivery>,
    config: RabbitConfig,
    events: Bulletin,
    life: Life,
}

impl RabbitApi {
    /// A handle that connects from now on. Must be called within a Tokio runtime. `stop` releases
    /// everything at once, as [`QueueLink::close`] does; it is for the end of the process, not for
    /// the beginning of its drain.
    #[must_use]
    pub fn new(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let publisher = supervise(Publishing, config.clone(), life.publishing(), &life.tasks);
        let waiters = Arc::new(Waiters::default());
        let (roll, events) = (Arc::new(Roll::default()), Bulletin::default());
        let listening = Listening {
            instance: config.instance().clone(),
            waiters: Arc::clone(&waiters),
            roll: Arc::clone(&roll),
            events: events.clone(),
            replier: Replier(publisher.clone()),
        };
        let replies = supervise(
            listening,
            config.clone(),
            life.stop.clone(),
            &life.consuming,
        );
        Self {
            submitter: Submitter {
                publisher,
                replies,
                waiters,
            },
            roll,
            recorder: Slot::new(After::Nothing),
            poster: Slot::new(After::Nothing),
            config,
            events,
            life,
        }
    }
}

#[async_trait]
impl QueueLink for RabbitApi {
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        if self.life.stop.is_cancelled() {
            return Err(QueueError::Closed);
        }
        let (replies, _publisher) = self.submitter.check()?;
        replies.connected.ask(STATUS_TIMEOUT).await
    }

    async fn publish_event(&self, event: &JobEvent) {
        events::publish(&self.submitter.publisher, event).await;
    }

    async fn close(&self, grace: Duration) {
        self.life.close(grace).await;
    }
}

#[async_trait]
impl ApiQueue for RabbitApi {
    async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError> {
        self.submitter.submit(job).await
    }

    async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
        self.submitter.submit_unattended(job).await
    }

    async fn withdraw(&self, job: JobId, deadline: Deadline) {
        match cancel(&self.submitter.publisher, job, deadline).await {
            Ok(()) => {
                tracing::debug!(job.id = %job, "notified the workers that the job is not wanted");
            }
            Err(error) => {
                tracing::warn!(job.id = %job, %error, "cannot cancel the job; its deadline ends it");
            }
        }
    }

    async fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<Unclaimed>, QueueError> {
        let life = &self.life;
        let receiver = self.recorder.subscribe(
            "the stream of unclaimed replies",
            UNCLAIMED_PREFETCH,
            usize::from(UNCLAIMED_PREFETCH),
            stop,
            &life.stop,
            &life.tasks,
        )?;
        let recording = Recording {
            instance: self.config.instance().clone(),
            recorder: self.recorder.clone(),
        };
        let config = self.config.clone();
        supervise(recording, config, life.stop.clone(), &life.consuming);
        Ok(receiver)
    }

    async fn queue_callback(&self, callback: &Callback) -> Result<(), QueueError> {
        queue(&self.submitter.publisher, callback, Due::Now).await
    }

    async fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<CallbackDelivery>, QueueError> {
        let (held, life) = (prefetch.0.get(), &self.life);
        let receiver = self.poster.subscribe(
            "the stream of callbacks",
            held,
            held.into(),
            stop,
            &life.stop,
            &life.tasks,
        )?;
        let calling = Calling {
            instance: self.config.instance().clone(),
            poster: self.poster.clone(),
            publisher: self.submitter.publisher.clone(),
        };
        let config = self.config.clone();
        supervise(calling, config, life.stop.clone(), &life.consuming);
        Ok(receiver)
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.roll.at(Instant::now())
    }

    fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.events.listen()
    }

    fn waiting(&self) -> Option<u32> {
        let replies = self.submitter.replies.now().ok()?;
        replies.connected.last_status().map(|status| status.waiting)
    }
}
