//! The consumer of suspects' tokens, and the fetch of a suspect.
//!
//! The holder of a token runs the next suspect. A worker consumes these small messages, one at a
//! time, and fetches a suspect only once it runs nothing else.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::Channel;
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::colleagues::Colleagues;
use super::delivery::AmqpDelivery;
use super::doubt::Doubt;
use super::failed::{Disposition, FailedDelivery};
use super::held_jobs::{Carried, Company};
use super::token::{AfterSuspect, HeldToken};
use crate::cancellations::Cancellations;
use crate::rabbit::link::config::Patience;
use crate::rabbit::link::connection::{Connected, ask_for};
use crate::rabbit::link::subscription::{Subscription, cancel, consume};
use crate::rabbit::publish::Replier;
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::message::{class_of, job_in};
use crate::rabbit::wire::settlement::{Settlement, settle};
use crate::rabbit::wire::topology::{SUSPECTS, TURNS};
use crate::rabbit::wire::tries::{Tries, came_back};
use crate::{Delivery, Fetch, Offer, Prefetch, QueueError, SuspectToken};

/// The number of tokens that a worker holds.
const AT_ONCE: u16 = 1;
/// The longest that the broker may take to report or hand out what waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The interval at which each worker looks for suspects without a token.
const LOOK_FOR_LOST: Duration = Duration::from_secs(2);
/// The purpose of consuming, for errors.
const PURPOSE: &str = "consume suspects' tokens";
/// The pause before a suspect is looked for again. A redelivered token may arrive before its
/// suspect, which is redelivered by another channel.
const BEHIND: Duration = Duration::from_millis(100);

/// A consumer that passes tokens from their queue into the worker's stream.
pub(crate) struct TokenConsumer {
    pub(crate) suspects: Suspects,
    pub(crate) tag: String,
}

impl TokenConsumer {
    /// Passes tokens on until the subscription ends.
    pub(crate) async fn run(
        &self,
        subscription: Subscription<Offer, Prefetch>,
    ) -> Result<(), QueueError> {
        let channel = &self.suspects.channel;
        let mut consumer = consume(channel, TURNS, &self.tag, AT_ONCE).await?;
        let mut look = interval(LOOK_FOR_LOST);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let delivered = tokio::select! {
                biased;
                delivered = subscription.next_of(&mut consumer, TURNS, PURPOSE) => delivered?,
                _ = look.tick() => {
                    self.suspects.replace_lost_token().await?;
                    continue;
                }
            };
            let Some(delivered) = delivered else { break };
            // At most so many suspects that came back stay here.
            let doubts = Arc::clone(&self.suspects.doubts).acquire_owned();
            let Some(Ok(room)) = subscription.stop.run_until_cancelled(doubts).await else {
                settle(&delivered.acker, Settlement::Requeue).await?;
                break;
            };
            if let Some(token) = self.receive(delivered, room).await? {
                // A token that is not taken goes back by being dropped.
                drop(subscription.sender.send(Offer::Suspect(token)).await);
            }
        }
        for delivered in cancel(channel, consumer).await? {
            settle(&delivered.acker, Settlement::Requeue).await?;
        }
        Ok(())
    }

    /// Returns the token, if a suspect waits. Each suspect has at least one token, and some have
    /// more.
    async fn receive(
        &self,
        delivered: lapin::message::Delivery,
        room: OwnedSemaphorePermit,
    ) -> Result<Option<SuspectToken>, QueueError> {
        let token = HeldToken::new(delivered.acker);
        let mut waiting = self.suspects.waiting().await?;
        if waiting == 0 && delivered.redelivered {
            tokio::time::sleep(BEHIND).await;
            waiting = self.suspects.waiting().await?;
        }
        if waiting == 0 {
            token.end().await;
            return Ok(None);
        }
        let suspects = self.suspects.clone();
        let taken = TakenToken {
            token,
            room,
            suspects,
        };
        Ok(Some(SuspectToken::new(Box::new(taken))))
    }
}

/// The queue of suspects, on the channel that brings the tokens.
#[derive(Clone)]
pub(crate) struct Suspects {
    pub(crate) connected: Arc<Connected>,
    pub(crate) channel: Channel,
    pub(crate) replier: Replier,
    pub(crate) cancellations: Arc<Cancellations>,
    pub(crate) colleagues: Arc<Colleagues>,
    pub(crate) patience: Patience,
    /// Room for the suspects about which this worker is in doubt.
    pub(crate) doubts: Arc<Semaphore>,
}

impl Suspects {
    async fn waiting(&self) -> Result<u32, QueueError> {
        self.waiting_in(SUSPECTS).await
    }

    async fn waiting_in(&self, queue: &str) -> Result<u32, QueueError> {
        let queue = timeout(ANSWER_TIMEOUT, ask_for(&self.channel, queue))
            .await
            .map_err(|_elapsed| QueueError::TimedOut {
                context: "asking for the number of suspects",
            })?
            .map_err(QueueError::while_doing("ask for the number of suspects"))?;
        Ok(queue.message_count())
    }

    /// Queues a token if suspects wait and no token does. A suspect has none if it went back after
    /// its token had ended. A token too many costs one question to the broker.
    async fn replace_lost_token(&self) -> Result<(), QueueError> {
        if self.waiting().await? == 0 || self.waiting_in(TURNS).await? > 0 {
            return Ok(());
        }
        if let Err(error) = self.replier.another_token().await {
            tracing::debug!(%error, "cannot queue a token for a suspect; trying again soon");
        }
        Ok(())
    }

    async fn next(&self) -> Result<Option<BasicGetMessage>, QueueError> {
        let options = BasicGetOptions { no_ack: false };
        let getting = self.channel.basic_get(SUSPECTS.into(), options);
        match timeout(ANSWER_TIMEOUT, getting).await {
            Ok(got) => got.map_err(QueueError::while_doing("fetch a suspect")),
            Err(_elapsed) => {
                // A suspect that still arrives would never be settled.
                let context = "fetching a suspect";
                self.connected.give_up(QueueError::TimedOut { context });
                Err(QueueError::TimedOut { context })
            }
        }
    }

    /// Fetches the next suspect to run. Disposes, in the background, of one that must not run.
    async fn fetch(
        self,
        mut token: HeldToken,
        room: OwnedSemaphorePermit,
    ) -> Result<Option<Delivery>, QueueError> {
        while let Some(got) = self.next().await? {
            let BasicGetMessage {
                delivery: delivered,
                message_count: left,
            } = got;
            token.ends_as(if left > 0 {
                AfterSuspect::PassOn
            } else {
                AfterSuspect::End
            });
            let Some(job) = job_in(&delivered, SUSPECTS).await? else {
                continue;
            };
            if self.colleagues.claims.answered(job.id) {
                settle(&delivered.acker, Settlement::Ack).await?;
                continue;
            }
            let class = class_of(&delivered.properties);
            let tries = Tries::before(&delivered);
            let came_back = came_back(&delivered);
            let carried = Carried {
                message: HeldMessage::new(delivered.acker),
                token: Some(token),
                reply_to: delivered.properties.reply_to().clone(),
            };
            let Some(carried) = self.colleagues.held.adopt(job.id, carried) else {
                return Ok(None);
            };
            if came_back {
                let Carried {
                    message,
                    token,
                    reply_to,
                } = carried;
                // Before the doubt, which may last: other suspects need not wait for it.
                if let Some(token) = token {
                    token.end().await;
                }
                let doubt = Doubt {
                    job,
                    class,
                    reply_to,
                    tries,
                    message,
                    patience: self.patience,
                    room,
                };
                tokio::spawn(doubt.resolve(self.colleagues, self.replier));
                return Ok(None);
            }
            let disposition = if job.deadline.has_passed() {
                Some(Disposition::Expire)
            } else {
                tries.used_up(class).then_some(Disposition::GiveUp)
            };
            let Some(disposition) = disposition else {
                let held = self.colleagues.held.hold(job.id, Company::Alone, carried);
                let settle = AmqpDelivery::new(held, class, tries, self.replier, self.colleagues);
                let hold = self.cancellations.hold(job.id);
                let settle = Box::new(settle);
                return Ok(Some(Delivery::new(job, class, true, hold, settle)));
            };
            let failed = FailedDelivery {
                job,
                class,
                reply_to: carried.reply_to,
                tries,
                message: carried.message,
                token: carried.token,
                disposition,
            };
            // The worker need not stay alone for that.
            tokio::spawn(failed.dispose(self.replier));
            return Ok(None);
        }
        token.ends_as(AfterSuspect::End);
        token.end().await;
        Ok(None)
    }
}

struct TakenToken {
    token: HeldToken,
    room: OwnedSemaphorePermit,
    suspects: Suspects,
}

impl Fetch for TakenToken {
    fn is_ours(&self) -> bool {
        self.token.is_ours()
    }

    fn fetch(self: Box<Self>) -> BoxFuture<'static, Result<Option<Delivery>, QueueError>> {
        Box::pin(async move {
            let Self {
                token,
                room,
                suspects,
            } = *self;
            // A separate task, since a fetched suspect must be settled even if the caller goes
            // away.
            match tokio::spawn(suspects.fetch(token, room)).await {
                Ok(fetched) => fetched,
                Err(_panicked) => Err(QueueError::Closed),
            }
        })
    }
}
