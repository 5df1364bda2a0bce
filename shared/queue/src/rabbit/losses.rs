//! Jobs that are not run as they came: one that came back is moved to where it waits to be run
//! alone, one whose tries are used up is answered and put aside, and so is one that is too late.
//!
//! Until that is confirmed the message is held, so it survives us. It is not given back to be tried
//! again: each return counts with the broker, which in the end lets go of what nobody answered.

use std::time::Duration;

use lapin::Acker;
use lapin::types::ShortString;

use super::message::{Journey, Origin};
use super::replier::Replier;
use super::tags::{Settlement, settle};
use super::topology::{DEAD_JOBS, SUSPECTS};
use super::tries::Tries;
use super::turns::HeldTurn;
use crate::{JobClass, QueueError};
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// Between two attempts: what is needed is away, or full.
const RETRY: Duration = Duration::from_millis(200);
/// Why it is among the dead.
const WORKER_CRASHED: &str = "worker_crashed";

/// What is to be done with a job instead of running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Move it to where it is run alone.
    Suspect,
    /// Answer it and put it aside: it was tried often enough.
    GiveUp,
    /// Put it aside: its deadline passed. Nobody would notice that of a job that nobody waits for,
    /// so that is answered.
    Expire,
}

/// A job that is not to be run as it came.
pub(super) struct Loss {
    pub(super) job: Job,
    pub(super) class: JobClass,
    pub(super) reply_to: Option<ShortString>,
    pub(super) tries: Tries,
    pub(super) acker: Acker,
    /// By which it was taken.
    pub(super) turn: Option<HeldTurn>,
    pub(super) remedy: Remedy,
}

impl Loss {
    /// Does what is to be done, however often that takes while the job is ours.
    pub(super) async fn remedy(mut self, replier: Replier) {
        let mut told = false;
        loop {
            if self.remedy == Remedy::Suspect && self.job.deadline.has_passed() {
                self.remedy = Remedy::Expire;
            }
            match self.attempt(&replier).await {
                Ok(how) => return self.settle(how).await,
                Err(error) if !std::mem::replace(&mut told, true) => {
                    tracing::warn!(
                        job.id = %self.job.id, %error, remedy = ?self.remedy,
                        "a job that is not to be run cannot be dealt with yet; trying on"
                    );
                }
                Err(_again) => {}
            }
            if !self.acker.usable() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn attempt(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        match self.remedy {
            Remedy::Suspect => self.suspect(replier).await,
            Remedy::GiveUp => self.give_up(replier).await,
            Remedy::Expire => self.expire(replier).await,
        }
    }

    async fn suspect(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        let journey = Journey {
            class: self.class,
            reply_to: self.reply_to(),
            origin: Origin::Returned(self.tries),
        };
        replier.suspect(&self.job, journey).await?;
        tracing::info!(
            job.id = %self.job.id,
            "a job came back: its worker was lost; moved to {SUSPECTS}, to be run alone"
        );
        Ok(Settlement::Ack)
    }

    async fn give_up(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        let answer = Reply::worker_crashed(self.job.clone());
        replier.send(self.reply_to(), &answer).await?;
        replier
            .put_aside(&self.job, self.tries, WORKER_CRASHED)
            .await?;
        tracing::error!(
            job.id = %self.job.id, tries = ?self.tries,
            "job put aside in {DEAD_JOBS}: every worker that took it was lost, the last one while it ran alone"
        );
        Ok(Settlement::Ack)
    }

    // To the dead letters rather than away, so that it can be seen how often this happens; what
    // expires in the queue goes there as well.
    async fn expire(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        match self.class {
            JobClass::Interactive => Ok(Settlement::Reject),
            JobClass::Unattended => {
                let answer = Reply::deadline_passed(self.job.clone());
                replier.send(self.reply_to(), &answer).await?;
                Ok(Settlement::Ack)
            }
        }
    }

    async fn settle(self, how: Settlement) {
        if let Err(error) = settle(&self.acker, how).await {
            tracing::debug!(job.id = %self.job.id, %error, "a job that was dealt with comes again");
        }
        if let Some(turn) = self.turn {
            turn.end().await;
        }
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }
}
