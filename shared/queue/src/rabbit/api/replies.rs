//! The API's consumer of replies.
//!
//! Each reply goes to its waiter, or to the recorder if it has no waiter.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lapin::message::Delivery;
use lapin::options::QueueDeleteOptions;
use lapin::{Acker, Consumer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::QueueError;
use crate::event_bus::EventBus;
use crate::rabbit::broadcast::events;
use crate::rabbit::broadcast::presence;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::subscription::consume;
use crate::rabbit::link::supervisor::{Built, Unit};
use crate::rabbit::publish::{REPLY_TIMEOUT, Replier};
use crate::rabbit::wire::message::{correlation, decode};
use crate::rabbit::wire::own_queues::REPLY_QUEUE;
use crate::rabbit::wire::settlement::{Settlement, settle};
use crate::rabbit::wire::topology::{REPLIES, REPLY_QUEUE_PREFIX};
use crate::waiters::{Epoch, Waiters};
use crate::worker_registry::WorkerRegistry;
use warren_protocol::ids::InstanceId;
use warren_protocol::reply::Reply;

/// The most unacknowledged replies at a time.
const REPLIES_PREFETCH: u16 = 256;
/// The pause between two attempts to delete a reply queue that is not empty.
const RETIRE_PAUSE: Duration = Duration::from_millis(10);

/// The unit that consumes replies.
pub(crate) struct ReplyConsumer {
    pub(crate) instance: InstanceId,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) workers: Arc<WorkerRegistry>,
    pub(crate) events: EventBus,
    pub(crate) replier: Replier,
}

/// The queue on which replies arrive, while they can.
pub(crate) struct ReplyQueue {
    pub(crate) connected: Arc<Connected>,
    pub(crate) name: String,
    pub(crate) epoch: Epoch,
}

impl Unit for ReplyConsumer {
    type Session = ReplyQueue;

    fn purpose(&self) -> &'static str {
        "consume replies"
    }

    fn build<'a>(
        &'a self,
        connected: &'a Arc<Connected>,
        number: u64,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Built<ReplyQueue>, QueueError>> {
        Box::pin(async move {
            // Every connection has a queue of another name: the broker may take half a minute to see
            // that the last connection is gone, and until then its queue's name is locked.
            let name = format!("{REPLY_QUEUE_PREFIX}{}.{number}", self.instance);
            let channel = connected.lasting_channel().await?;
            REPLY_QUEUE.declare(&channel, &name).await?;
            let tag = self.instance.as_str();
            let consumer = consume(&channel, &name, tag, REPLIES_PREFETCH).await?;
            let epoch = Epoch(number);
            self.waiters.open(epoch);
            let dispatcher = Dispatcher {
                waiters: Arc::clone(&self.waiters),
                replier: self.replier.clone(),
                keeping: TaskTracker::new(),
            };
            let (stop, for_end, retired) = (stop.clone(), Arc::clone(connected), name.clone());
            let (workers, events) = (Arc::clone(&self.workers), self.events.clone());
            let presence_queue = presence::FANOUT.queue_name(tag, number);
            let event_queue = events::FANOUT.queue_name(tag, number);
            let work = async move {
                let retiring = async {
                    stop.cancelled().await;
                    retire(&for_end, &retired).await
                };
                let error = tokio::select! {
                    error = dispatcher.run(consumer) => error,
                    never = presence::listen(&for_end, &presence_queue, &workers) => never,
                    never = events::listen(&for_end, &event_queue, &events) => never,
                    error = retiring => error,
                };
                if stop.is_cancelled() {
                    dispatcher.end().await;
                }
                error
            };
            Ok(Built {
                session: ReplyQueue {
                    connected: Arc::clone(connected),
                    name,
                    epoch,
                },
                work: Box::pin(work),
            })
        })
    }

    fn lost(&self) {
        self.waiters.fail_all();
    }
}

/// Deletes the reply queue once it is empty, so that no reply in it is lost. A reply that arrives
/// later is returned to its worker, which sends it to `warren.results`. The end of the queue's
/// consumer is then the end of the unit; this function returns only if the queue cannot be deleted.
async fn retire(connected: &Connected, name: &str) -> QueueError {
    let options = QueueDeleteOptions {
        if_empty: true,
        ..QueueDeleteOptions::default()
    };
    loop {
        // A refusal closes the channel.
        let channel = match connected.lasting_channel().await {
            Ok(channel) => channel,
            Err(error) => return error,
        };
        match channel.queue_delete(name.into(), options).await {
            Ok(_) => return std::future::pending().await,
            Err(error) if error.is_amqp_soft_error() => tokio::time::sleep(RETIRE_PAUSE).await,
            Err(error) => return QueueError::while_doing("delete the reply queue")(error),
        }
    }
}

/// Hands replies to their waiters.
struct Dispatcher {
    waiters: Arc<Waiters>,
    replier: Replier,
    keeping: TaskTracker,
}

impl Dispatcher {
    async fn run(&self, mut consumer: Consumer) -> QueueError {
        loop {
            let delivered = match consumer.next().await {
                None => return QueueError::ConsumerCancelled(REPLIES),
                Some(Err(error)) => return QueueError::while_doing("consume replies")(error),
                Some(Ok(delivered)) => delivered,
            };
            if let Err(error) = self.dispatch(delivered).await {
                return error;
            }
        }
    }

    async fn dispatch(&self, delivered: Delivery) -> Result<(), QueueError> {
        let Some(reply) = read(&delivered) else {
            return settle(&delivered.acker, Settlement::Reject).await;
        };
        match self.waiters.claim(reply) {
            None => settle(&delivered.acker, Settlement::Ack).await,
            Some(reply) => {
                // Bounded by the prefetch.
                let replier = self.replier.clone();
                self.keeping.spawn(keep(reply, delivered.acker, replier));
                Ok(())
            }
        }
    }

    /// Waits until all unclaimed replies are published to be recorded.
    async fn end(&self) {
        self.keeping.close();
        self.keeping.wait().await;
    }
}

/// Publishes an unclaimed reply to the durable results, since this queue dies with its connection.
async fn keep(reply: Reply, acker: Acker, replier: Replier) {
    let how = match replier.send(None, &reply, REPLY_TIMEOUT).await {
        Ok(()) => Settlement::Ack,
        Err(error) => {
            tracing::warn!(job.id = %reply.job_id, %error, "failed to publish an unclaimed reply; retrying");
            Settlement::Requeue
        }
    };
    if let Err(error) = settle(&acker, how).await {
        tracing::debug!(job.id = %reply.job_id, %error, "cannot settle an unclaimed reply; it is delivered again");
    }
}

pub(crate) fn read(delivered: &Delivery) -> Option<Reply> {
    decode::<Reply>(&delivered.data)
        .inspect_err(|problem| {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                %problem,
                "cannot read a reply; dropped"
            );
        })
        .ok()
}
