//! Turns: which worker runs the next suspect, and when. A worker consumes these small messages, one
//! at a time, and fetches a suspect only once it runs nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use lapin::{Acker, Channel};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connected::{Connected, ask_for};
use super::jobs::job_in;
use super::losses::{Loss, Remedy};
use super::message::class_of;
use super::replier::Replier;
use super::streams::{Subscription, cancel, consume};
use super::tagged::{Place, TaggedJob};
use super::tags::{Settlement, settle};
use super::topology::{SUSPECTS, TURNS};
use super::tries::Tries;
use crate::cancellations::Cancellations;
use crate::{Delivery, Fetch, Offer, Prefetch, QueueError, Turn};

/// How many turns a worker holds.
const AT_ONCE: u16 = 1;
/// How long the broker may take to say what waits, or to hand it out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// A turn that came back may be here before its suspect, which comes back by another way.
const BEHIND: Duration = Duration::from_millis(100);

/// From the queue of turns into the stream.
pub(super) struct Turns {
    pub(super) suspects: Suspects,
    pub(super) tag: String,
}

impl Turns {
    /// Passes turns on until the subscription ends.
    pub(super) async fn run(
        &self,
        subscription: Subscription<Offer, Prefetch>,
    ) -> Result<(), QueueError> {
        let channel = &self.suspects.channel;
        let mut consumer = consume(channel, TURNS, &self.tag, AT_ONCE).await?;
        while let Some(delivered) = subscription
            .next_of(&mut consumer, TURNS, "consume turns")
            .await?
        {
            if let Some(turn) = self.receive(delivered).await? {
                // Untaken, it goes back by being dropped.
                drop(subscription.sender.send(Offer::Suspect(turn)).await);
            }
        }
        for delivered in cancel(channel, consumer).await? {
            settle(&delivered.acker, Settlement::Requeue).await?;
        }
        Ok(())
    }

    /// The turn, if a suspect waits. Each suspect has at least one turn, and some have more.
    async fn receive(
        &self,
        delivered: lapin::message::Delivery,
    ) -> Result<Option<Turn>, QueueError> {
        let turn = HeldTurn::new(delivered.acker);
        let mut waiting = self.suspects.waiting().await?;
        if waiting == 0 && delivered.redelivered {
            tokio::time::sleep(BEHIND).await;
            waiting = self.suspects.waiting().await?;
        }
        if waiting == 0 {
            turn.end().await;
            return Ok(None);
        }
        let suspects = self.suspects.clone();
        Ok(Some(Turn::new(Box::new(TakenTurn { turn, suspects }))))
    }
}

/// The queue of suspects, on the channel that brings the turns.
#[derive(Clone)]
pub(super) struct Suspects {
    pub(super) connected: Arc<Connected>,
    pub(super) channel: Channel,
    pub(super) replier: Replier,
    pub(super) cancellations: Arc<Cancellations>,
}

impl Suspects {
    async fn waiting(&self) -> Result<u32, QueueError> {
        let queue = timeout(ANSWER_TIMEOUT, ask_for(&self.channel, SUSPECTS))
            .await
            .map_err(|_elapsed| QueueError::TimedOut {
                context: "asking for the number of suspects",
            })?
            .map_err(QueueError::while_doing("ask for the number of suspects"))?;
        Ok(queue.message_count())
    }

    async fn next(&self) -> Result<Option<BasicGetMessage>, QueueError> {
        let options = BasicGetOptions { no_ack: false };
        let getting = self.channel.basic_get(SUSPECTS.into(), options);
        match timeout(ANSWER_TIMEOUT, getting).await {
            Ok(got) => got.map_err(QueueError::while_doing("fetch a suspect")),
            Err(_elapsed) => {
                // Nobody would settle what still came.
                let context = "fetching a suspect";
                self.connected.give_up(QueueError::TimedOut { context });
                Err(QueueError::TimedOut { context })
            }
        }
    }

    /// The next suspect that is to be run; what is not is seen to.
    async fn fetch(self, mut turn: HeldTurn) -> Result<Option<Delivery>, QueueError> {
        while let Some(got) = self.next().await? {
            let BasicGetMessage {
                delivery: delivered,
                message_count: left,
            } = got;
            turn.ends(if left > 0 { Turning::On } else { Turning::Over });
            let Some(job) = job_in(&delivered, SUSPECTS).await? else {
                continue;
            };
            let class = class_of(&delivered.properties);
            let tries = Tries::before(&delivered);
            let remedy = if job.deadline.has_passed() {
                Some(Remedy::Expire)
            } else {
                tries.used_up().then_some(Remedy::GiveUp)
            };
            let Some(remedy) = remedy else {
                let place = Place::Suspects { class, turn };
                let settle = TaggedJob::new(job.id, place, tries, delivered, self.replier);
                let hold = self.cancellations.hold(job.id);
                let settle = Box::new(settle);
                return Ok(Some(Delivery::new(job, class, true, hold, settle)));
            };
            let loss = Loss {
                job,
                class,
                reply_to: delivered.properties.reply_to().clone(),
                tries,
                acker: delivered.acker,
                turn: Some(turn),
                remedy,
            };
            // The worker need not stay alone for that.
            tokio::spawn(loss.remedy(self.replier));
            return Ok(None);
        }
        turn.ends(Turning::Over);
        turn.end().await;
        Ok(None)
    }
}

struct TakenTurn {
    turn: HeldTurn,
    suspects: Suspects,
}

#[async_trait]
impl Fetch for TakenTurn {
    fn is_ours(&self) -> bool {
        self.turn.acker.as_ref().is_some_and(Acker::usable)
    }

    async fn fetch(self: Box<Self>) -> Result<Option<Delivery>, QueueError> {
        let Self { turn, suspects } = *self;
        // To the end even if the caller goes away: what was fetched has to be settled.
        match tokio::spawn(suspects.fetch(turn)).await {
            Ok(fetched) => fetched,
            Err(_panicked) => Err(QueueError::Closed),
        }
    }
}

/// What becomes of a turn when its suspect is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turning {
    /// It goes to another worker: more suspects wait, and they may have lost theirs. One turn too
    /// many costs a question.
    On,
    /// It is done with.
    Over,
}

/// A turn by its delivery tag. Dropped, it goes back, and has to do so after its suspect: without
/// one it would be done with.
pub(super) struct HeldTurn {
    acker: Option<Acker>,
    then: Turning,
    // It may be dropped outside of the runtime.
    runtime: Handle,
}

impl HeldTurn {
    /// Must be called within the runtime.
    fn new(acker: Acker) -> Self {
        Self {
            acker: Some(acker),
            then: Turning::Over,
            runtime: Handle::current(),
        }
    }

    fn ends(&mut self, then: Turning) {
        self.then = then;
    }

    /// Its suspect is settled.
    pub(super) async fn end(mut self) {
        let how = match self.then {
            Turning::On => Settlement::Requeue,
            Turning::Over => Settlement::Ack,
        };
        self.settle(how).await;
    }

    /// Its suspect went back, and it goes as well.
    pub(super) async fn go_back(mut self) {
        self.settle(Settlement::Requeue).await;
    }

    async fn settle(&mut self, how: Settlement) {
        if let Some(acker) = self.acker.take()
            && let Err(error) = settle(&acker, how).await
        {
            tracing::debug!(%error, "a suspect's turn comes again");
        }
    }
}

impl Drop for HeldTurn {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            self.runtime
                .spawn(async move { settle(&acker, Settlement::Requeue).await });
        }
    }
}
