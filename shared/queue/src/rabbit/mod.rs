//! The queue on RabbitMQ. Each side has one connection to publish and one to consume (an API that
//! records unclaimed replies has one more for these), each kept alive as a whole by a supervisor.

mod callbacks;
mod cancelling;
mod config;
mod connected;
pub mod definitions;
mod events;
mod fuse;
mod jobs;
mod losses;
mod message;
mod news;
mod pool;
mod presence;
mod publisher;
mod replier;
mod replies;
mod results;
mod streams;
mod submit;
mod supervisor;
mod tagged;
mod tags;
pub mod topology;
mod tries;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::RabbitConfig;

use self::callbacks::{Calling, Due};
use self::cancelling::cancel;
use self::connected::Connected;
use self::jobs::Consuming;
use self::pool::PooledPublisher;
use self::publisher::{Publisher, Publishing};
use self::replier::Replier;
use self::replies::Listening;
use self::results::Recording;
use self::streams::{After, Slot};
use self::submit::Submitter;
use self::supervisor::{Link, supervise};
use crate::bulletin::Bulletin;
use crate::roll::Roll;
use crate::waiters::Waiters;
use crate::{
    BrokerPool, Callback, CallbackDelivery, Deliveries, JobQueue, Offer, PendingReply, Prefetch, QueueError,
    QueueStatus, STATUS_TIMEOUT, SubmitError, Unclaimed,
};
use warren_protocol::event::JobEvent;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::presence::WorkerStatus;
use warren_protocol::time::Deadline;

/// Unclaimed replies handed to the recorder at a time.
const UNCLAIMED_PREFETCH: u16 = 16;

/// One process's handle of the queue on RabbitMQ. It need not be reachable: connections are made,
/// and made again, in the background.
pub struct RabbitQueue {
    side: Side,
    events: Bulletin,
    life: Life,
}

#[expect(clippy::large_enum_variant, reason = "there is one for each process")]
enum Side {
    Api {
        submitter: Submitter,
        roll: Arc<Roll>,
        recorder: Slot<Unclaimed>,
        poster: Slot<CallbackDelivery>,
        config: RabbitConfig,
    },
    Worker {
        publisher: Link<Publisher>,
        consumer: Link<Arc<Connected>>,
        subscriber: Slot<Offer, Prefetch>,
    },
}

impl RabbitQueue {
    /// The handle of an API instance: submits, and receives replies. Must be called within a
    /// Tokio runtime. `stop` lets go of everything at once, as [`JobQueue::close`] does; it is
    /// for the end of the process, not for the beginning of its drain.
    #[must_use]
    pub fn for_api(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let (publisher, durable) = life.publishers(&config);
        let waiters = Arc::new(Waiters::default());
        let (roll, events) = (Arc::new(Roll::default()), Bulletin::default());
        let listening = Listening {
            instance: config.instance().clone(),
            waiters: Arc::clone(&waiters),
            roll: Arc::clone(&roll),
            events: events.clone(),
            replier: Replier {
                publisher: publisher.clone(),
                durable: durable.clone(),
            },
        };
        let replies = supervise(
            listening,
            config.clone(),
            life.stop.clone(),
            &life.consuming,
        );
        let submitter = Submitter {
            publisher,
            durable,
            replies,
            waiters,
        };
        Self {
            side: Side::Api {
                submitter,
                roll,
                recorder: Slot::new(After::Nothing),
                poster: Slot::new(After::Nothing),
                config,
            },
            events,
            life,
        }
    }

    /// The handle of a worker: takes jobs, and replies. As [`RabbitQueue::for_api`] otherwise.
    #[must_use]
    pub fn for_worker(config: RabbitConfig, stop: &CancellationToken) -> Self {
        let life = Life::until(stop);
        let (publisher, durable) = life.publishers(&config);
        let subscriber = Slot::new(After::Another);
        let consuming = Consuming {
            instance: config.instance().clone(),
            subscriber: subscriber.clone(),
            cancellations: Arc::default(),
            replier: Replier {
                publisher: publisher.clone(),
                durable: durable.clone(),
            },
        };
        let consumer = supervise(consuming, config, life.stop.clone(), &life.consuming);
        Self {
            side: Side::Worker {
                publisher,
                consumer,
                subscriber,
            },
            events: Bulletin::default(),
            life,
        }
    }
}

/// What runs in the background, and when it ends.
struct Life {
    stop: CancellationToken,
    tasks: TaskTracker,
    consuming: TaskTracker,
}

impl Life {
    fn until(stop: &CancellationToken) -> Self {
        Self {
            stop: stop.child_token(),
            tasks: TaskTracker::new(),
            consuming: TaskTracker::new(),
        }
    }

    /// The supervised publisher and the pool beside it.
    fn publishers(&self, config: &RabbitConfig) -> (Link<Publisher>, PooledPublisher) {
        let last = self.publishing();
        let publisher = supervise(Publishing, config.clone(), last.clone(), &self.tasks);
        let durable = PooledPublisher::new(config, publisher.clone());
        self.tasks.spawn(durable.clone().sweep(last));
        (publisher, durable)
    }

    /// Ends once the consuming side has: its last messages have to be passed on.
    fn publishing(&self) -> CancellationToken {
        let last = CancellationToken::new();
        let (stop, consuming, ended) = (self.stop.clone(), self.consuming.clone(), last.clone());
        self.tasks.spawn(async move {
            stop.cancelled().await;
            consuming.close();
            consuming.wait().await;
            ended.cancel();
        });
        last
    }
}

impl Drop for RabbitQueue {
    fn drop(&mut self) {
        self.life.stop.cancel();
    }
}

fn wrong_side(job: &Job) -> SubmitError {
    let error = QueueError::WrongSide("submitting a job");
    tracing::error!(job.id = %job.id, %error);
    SubmitError::Unavailable
}

#[async_trait]
impl JobQueue for RabbitQueue {
    async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError> {
        match &self.side {
            Side::Api { submitter, .. } => submitter.submit(job).await,
            Side::Worker { .. } => Err(wrong_side(job)),
        }
    }

    async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
        match &self.side {
            Side::Api { submitter, .. } => submitter.submit_unattended(job).await,
            Side::Worker { .. } => Err(wrong_side(job)),
        }
    }

    async fn withdraw(&self, job: JobId, deadline: Deadline) {
        let cancelled = match &self.side {
            Side::Api { submitter, .. } => cancel(&submitter.publisher, job, deadline).await,
            Side::Worker { .. } => Err(QueueError::WrongSide("cancelling a job")),
        };
        match cancelled {
            Ok(()) => tracing::debug!(job.id = %job, "workers told that the job is not wanted"),
            Err(error) => {
                tracing::warn!(job.id = %job, %error, "job not cancelled; its deadline ends it");
            }
        }
    }

    async fn deliveries(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<Deliveries, QueueError> {
        let Side::Worker { subscriber, .. } = &self.side else {
            return Err(QueueError::WrongSide("taking jobs"));
        };
        let what = "the stream of jobs";
        let fetched = subscriber.subscribe(
            what,
            prefetch,
            prefetch.total(),
            stop.clone(),
            &self.life.stop,
            &self.life.tasks,
        )?;
        Ok(Deliveries::new(fetched, stop, self.life.stop.clone()))
    }

    async fn unclaimed(
        &self,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<Unclaimed>, QueueError> {
        let Side::Api {
            recorder, config, ..
        } = &self.side
        else {
            return Err(QueueError::WrongSide("recording replies"));
        };
        let what = "the stream of unclaimed replies";
        let Life {
            stop: closed,
            tasks,
            consuming,
        } = &self.life;
        let receiver = recorder.subscribe(
            what,
            UNCLAIMED_PREFETCH,
            usize::from(UNCLAIMED_PREFETCH),
            stop,
            closed,
            tasks,
        )?;
        let recording = Recording {
            instance: config.instance().clone(),
            recorder: recorder.clone(),
        };
        supervise(recording, config.clone(), closed.clone(), consuming);
        Ok(receiver)
    }

    async fn queue_callback(&self, callback: &Callback) -> Result<(), QueueError> {
        let Side::Api { submitter, .. } = &self.side else {
            return Err(QueueError::WrongSide("queueing a callback"));
        };
        callbacks::queue(&submitter.durable, callback, Due::Now).await
    }

    async fn callbacks(
        &self,
        prefetch: Prefetch,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<CallbackDelivery>, QueueError> {
        let Side::Api {
            poster,
            config,
            submitter,
            ..
        } = &self.side
        else {
            return Err(QueueError::WrongSide("posting callbacks"));
        };
        let (held, life) = (prefetch.0.get(), &self.life);
        let receiver = poster.subscribe(
            "the stream of callbacks",
            held,
            held.into(),
            stop,
            &life.stop,
            &life.tasks,
        )?;
        let calling = Calling {
            instance: config.instance().clone(),
            poster: poster.clone(),
            publisher: submitter.durable.clone(),
        };
        supervise(calling, config.clone(), life.stop.clone(), &life.consuming);
        Ok(receiver)
    }

    async fn status(&self) -> Result<QueueStatus, QueueError> {
        if self.life.stop.is_cancelled() {
            return Err(QueueError::Closed);
        }
        match &self.side {
            Side::Api { submitter, .. } => {
                let (replies, _publisher) = submitter.check()?;
                replies.connected.ask(STATUS_TIMEOUT).await
            }
            Side::Worker {
                publisher,
                consumer,
                ..
            } => {
                publisher.now()?.connected().check_publishable()?;
                consumer.now()?.ask(STATUS_TIMEOUT).await
            }
        }
    }

    async fn announce(&self, status: &WorkerStatus) {
        match &self.side {
            Side::Worker { publisher, .. } => presence::announce(publisher, status).await,
            Side::Api { .. } => {
                let error = QueueError::WrongSide("announcing a worker");
                tracing::error!(%error);
            }
        }
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        match &self.side {
            Side::Api { roll, .. } => roll.at(Instant::now()),
            Side::Worker { .. } => Vec::new(),
        }
    }

    async fn tell(&self, event: &JobEvent) {
        let publisher = match &self.side {
            Side::Api { submitter, .. } => &submitter.publisher,
            Side::Worker { publisher, .. } => publisher,
        };
        events::tell(publisher, event).await;
    }

    fn events(&self) -> broadcast::Receiver<JobEvent> {
        self.events.listen()
    }

    fn waiting(&self) -> Option<u32> {
        let Side::Api { submitter, .. } = &self.side else {
            return None;
        };
        let replies = submitter.replies.now().ok()?;
        replies.connected.last_status().map(|status| status.waiting)
    }

    fn broker_pool(&self) -> Option<BrokerPool> {
        match &self.side {
            Side::Api { submitter, .. } => submitter.durable.status(),
            Side::Worker { .. } => None,
        }
    }

    async fn close(&self, grace: Duration) {
        self.life.stop.cancel();
        self.life.tasks.close();
        if timeout(grace, self.life.tasks.wait()).await.is_err() {
            tracing::warn!("connections to RabbitMQ were not closed in time; leaving them");
        }
    }
}
