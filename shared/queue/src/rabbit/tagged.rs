//! A job as the broker delivered it, and its settlement.

use async_trait::async_trait;
use lapin::Acker;
use lapin::types::ShortString;
use tokio::runtime::Handle;

use super::losses::{Loss, Remedy};
use super::message::{Journey, Origin};
use super::replier::Replier;
use super::tags::{Settlement, settle};
use super::tries::Tries;
use super::turns::HeldTurn;
use crate::{JobClass, QueueError, Settle};
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// Where a job was taken from.
pub(super) enum Place {
    /// The queue of its class.
    Jobs(JobClass),
    /// Among the suspects.
    Suspects {
        /// Its own.
        class: JobClass,
        /// By which it was taken.
        turn: HeldTurn,
    },
}

impl Place {
    fn class(&self) -> JobClass {
        match self {
            Self::Jobs(class) | Self::Suspects { class, .. } => *class,
        }
    }
}

/// A job by its delivery tag. Dropped unsettled, at whatever point, it goes back to the queue.
pub(super) struct TaggedJob {
    job: JobId,
    class: JobClass,
    turn: Option<HeldTurn>,
    acker: Option<Acker>,
    reply_to: Option<ShortString>,
    tries: Tries,
    replier: Replier,
    // A delivery may be dropped outside of the runtime.
    runtime: Handle,
}

impl TaggedJob {
    /// The job in `delivered`, which was tried that often. Must be called within the runtime.
    pub(super) fn new(
        job: JobId,
        place: Place,
        tries: Tries,
        delivered: lapin::message::Delivery,
        replier: Replier,
    ) -> Self {
        let class = place.class();
        Self {
            job,
            class,
            turn: match place {
                Place::Jobs(_) => None,
                Place::Suspects { turn, .. } => Some(turn),
            },
            reply_to: delivered.properties.reply_to().clone(),
            acker: Some(delivered.acker),
            tries,
            replier,
            runtime: Handle::current(),
        }
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }

    /// The job is done with, and so is its turn.
    async fn finish(&mut self) -> Result<(), QueueError> {
        let settled = match self.acker.take() {
            Some(acker) => settle(&acker, Settlement::Ack).await,
            None => Ok(()),
        };
        if let Some(turn) = self.turn.take() {
            turn.end().await;
        }
        settled
    }

    fn go_back(&mut self) -> impl Future<Output = Result<(), QueueError>> + Send + use<> {
        let (acker, turn) = (self.acker.take(), self.turn.take());
        async move {
            let settled = match acker {
                Some(acker) => settle(&acker, Settlement::Requeue).await,
                None => Ok(()),
            };
            if let Some(turn) = turn {
                turn.go_back().await;
            }
            settled
        }
    }
}

impl Drop for TaggedJob {
    fn drop(&mut self) {
        if self.acker.is_none() {
            return;
        }
        let (job, going_back) = (self.job, self.go_back());
        self.runtime.spawn(async move {
            if let Err(error) = going_back.await {
                tracing::debug!(job.id = %job, %error, "job was lost with its connection");
            }
        });
    }
}

#[async_trait]
impl Settle for TaggedJob {
    fn is_ours(&self) -> bool {
        self.acker.as_ref().is_some_and(Acker::usable)
    }

    async fn reply(mut self: Box<Self>, reply: Reply) -> Result<(), QueueError> {
        self.replier.send(self.reply_to(), &reply).await?;
        if let Err(error) = self.finish().await {
            tracing::warn!(
                job.id = %self.job, %error,
                "job was answered but not acknowledged; it will be delivered again"
            );
        }
        Ok(())
    }

    // As a new message, since every return of the old one counts as a try. If that cannot be,
    // better as a try than not at all.
    async fn requeue(mut self: Box<Self>, job: &Job) -> Result<(), QueueError> {
        if !self.is_ours() {
            return Err(QueueError::Disconnected);
        }
        let journey = Journey {
            class: self.class,
            reply_to: self.reply_to(),
            origin: Origin::Returned(self.tries),
        };
        let handed_back = match self.turn {
            None => self.replier.hand_back(job, journey).await,
            Some(_) => self.replier.suspect_again(job, journey).await,
        };
        match handed_back {
            Ok(()) => {
                // The new message needs the turn.
                let turn = self.turn.take();
                let finished = self.finish().await;
                if let Some(turn) = turn {
                    turn.go_back().await;
                }
                finished
            }
            Err(error) => {
                tracing::warn!(job.id = %self.job, %error, "job goes back as if it had been lost");
                self.go_back().await
            }
        }
    }

    fn abandon(self: Box<Self>) {
        drop(self);
    }

    fn reply_in_background(self: Box<Self>, reply: Reply) {
        let (job, runtime) = (self.job, self.runtime.clone());
        // No more at a time than the prefetch.
        runtime.spawn(async move {
            if let Err(error) = self.reply(reply).await {
                tracing::warn!(job.id = %job, %error, "job could not be answered; it goes back");
            }
        });
    }

    fn expire(mut self: Box<Self>, job: Job) {
        if let Some(acker) = self.acker.take() {
            let loss = Loss {
                job,
                class: self.class,
                reply_to: self.reply_to.take(),
                tries: self.tries,
                acker,
                turn: self.turn.take(),
                remedy: Remedy::Expire,
            };
            self.runtime.spawn(loss.remedy(self.replier.clone()));
        }
    }
}
