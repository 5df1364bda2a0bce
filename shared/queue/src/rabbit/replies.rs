//! The API's consumer of replies: each to its waiter, those without one to where they are recorded.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::QueueDeleteOptions;
use lapin::{Acker, Consumer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connected::Connected;
use super::events;
use super::message::{correlation, decode};
use super::presence;
use super::replier::Replier;
use super::streams::consume;
use super::supervisor::{Built, Unit};
use super::tags::{Settlement, settle};
use super::topology::{REPLIES_PREFIX, declare_reply_queue};
use crate::QueueError;
use crate::bulletin::Bulletin;
use crate::roll::Roll;
use crate::waiters::{Epoch, Waiters};
use warren_protocol::ids::InstanceId;
use warren_protocol::reply::Reply;

/// Replies under way from the broker at a time.
const REPLIES_PREFETCH: u16 = 256;
/// Between two attempts to delete a reply queue that is not empty.
const RETIRE_PAUSE: Duration = Duration::from_millis(10);

/// The unit that consumes replies.
pub(super) struct Listening {
    pub(super) instance: InstanceId,
    pub(super) waiters: Arc<Waiters>,
    pub(super) roll: Arc<Roll>,
    pub(super) events: Bulletin,
    pub(super) replier: Replier,
}

/// Where replies arrive, while they do.
pub(super) struct ReplyQueue {
    pub(super) connected: Arc<Connected>,
    pub(super) name: String,
    pub(super) epoch: Epoch,
}

#[async_trait]
impl Unit for Listening {
    type Session = ReplyQueue;
    const PURPOSE: &'static str = "consume replies";

    async fn build(
        &self,
        connected: &Arc<Connected>,
        number: u64,
        stop: &CancellationToken,
    ) -> Result<Built<ReplyQueue>, QueueError> {
        // Every connection has a queue of another name: the broker may take half a minute to see
        // that the last connection is gone, and until then its queue's name is locked.
        let name = format!("{REPLIES_PREFIX}.{}.{number}", self.instance);
        let channel = connected.lasting_channel().await?;
        declare_reply_queue(&channel, &name).await?;
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
        let roll = Arc::clone(&self.roll);
        let workers = presence::queue_name(self.instance.as_str(), number);
        let bulletin = self.events.clone();
        let events = events::queue_name(self.instance.as_str(), number);
        let work = async move {
            let retiring = async {
                stop.cancelled().await;
                retire(&for_end, &retired).await
            };
            let error = tokio::select! {
                error = dispatcher.run(consumer) => error,
                never = presence::listen(&for_end, &workers, &roll) => never,
                never = events::listen(&for_end, &events, &bulletin) => never,
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
    }

    fn lost(&self) {
        self.waiters.fail_all();
    }
}

/// Deletes the reply queue once it is empty, so that no reply is lost in it: what comes later is
/// returned to its worker, which sends it to `warren.results`. The end of its consumer is then the end
/// of the unit; this returns only if that cannot be.
async fn retire(connected: &Connected, name: &str) -> QueueError {
    let options = QueueDeleteOptions {
        if_empty: true,
        ..QueueDeleteOptions::default()
    };
    loop {
        // A refusal costs the channel.
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
                None => return QueueError::ConsumerCancelled(REPLIES_PREFIX),
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
                // No more at a time than the prefetch.
                let replier = self.replier.clone();
                self.keeping.spawn(keep(reply, delivered.acker, replier));
                Ok(())
            }
        }
    }

    /// Waits until what nobody waited for is kept.
    async fn end(&self) {
        self.keeping.close();
        self.keeping.wait().await;
    }
}

/// A reply that nobody waits for goes to the durable results: this queue dies with its connection.
async fn keep(reply: Reply, acker: Acker, replier: Replier) {
    let how = match replier.send(None, &reply).await {
        Ok(()) => Settlement::Ack,
        Err(error) => {
            tracing::warn!(job.id = %reply.job_id, %error, "unclaimed reply could not be kept");
            Settlement::Requeue
        }
    };
    if let Err(error) = settle(&acker, how).await {
        tracing::debug!(job.id = %reply.job_id, %error, "unclaimed reply was not settled");
    }
}

pub(super) fn read(delivered: &Delivery) -> Option<Reply> {
    decode::<Reply>(&delivered.data)
        .inspect_err(|problem| {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                %problem,
                "reply cannot be read; dropped"
            );
        })
        .ok()
}
