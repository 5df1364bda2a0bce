//! Deliveries that are not run as they arrived.
//!
//! A job that came back is moved to the queue in which it waits to be run alone. A job whose tries
//! are used up is answered and put aside, and so is one whose deadline has passed. Until that is
//! confirmed the message is held, so it survives us. It is not given back to be retried, because
//! the broker counts each return and in the end drops a message that was never answered.

use std::time::Duration;

use lapin::types::ShortString;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

use super::token::HeldToken;
use crate::rabbit::publish::{REPLY_TIMEOUT, Replier};
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::message::{Journey, Origin};
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::topology::{DEAD_JOBS, SUSPECTS};
use crate::rabbit::wire::tries::Tries;
use crate::{JobClass, QueueError};

/// The pause between two attempts, when a queue is unreachable or full.
const RETRY: Duration = Duration::from_millis(200);
/// The reason with which a job is put aside.
const WORKER_CRASHED: &str = "worker_crashed";

/// A disposition of a job that is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Move it to the queue from which it is run alone.
    Suspect,
    /// Answer it and put it aside: its tries are used up.
    GiveUp,
    /// Put it aside: its deadline passed. An unattended job is answered, since its end would go
    /// unnoticed otherwise.
    Expire,
}

/// A delivery that is not run as it arrived.
pub(crate) struct FailedDelivery {
    pub(crate) job: Job,
    pub(crate) class: JobClass,
    pub(crate) reply_to: Option<ShortString>,
    pub(crate) tries: Tries,
    pub(crate) message: HeldMessage,
    /// The token by which it was taken.
    pub(crate) token: Option<HeldToken>,
    pub(crate) disposition: Disposition,
}

impl FailedDelivery {
    /// Carries out the disposition; retries while the job is ours.
    pub(crate) async fn dispose(mut self, replier: Replier) {
        let mut logged = false;
        loop {
            if self.disposition == Disposition::Suspect && self.job.deadline.has_passed() {
                self.disposition = Disposition::Expire;
            }
            match self.attempt(&replier).await {
                Ok(how) => return self.settle(how).await,
                Err(error) if !std::mem::replace(&mut logged, true) => {
                    tracing::warn!(
                        job.id = %self.job.id, %error, disposition = ?self.disposition,
                        "cannot move or answer a failed job yet; retrying"
                    );
                }
                Err(_again) => {}
            }
            if !self.message.is_ours() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn attempt(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        match self.disposition {
            Disposition::Suspect => self.suspect(replier).await,
            Disposition::GiveUp => self.give_up(replier).await,
            Disposition::Expire => self.expire(replier).await,
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
            "a job was lost with its worker or its worker's connection; moved to {SUSPECTS} to be run alone"
        );
        Ok(Settlement::Ack)
    }

    async fn give_up(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        let answer = Reply::worker_crashed(self.job.clone());
        replier
            .send(self.reply_to(), &answer, REPLY_TIMEOUT)
            .await?;
        replier
            .put_aside(&self.job, self.tries, WORKER_CRASHED)
            .await?;
        tracing::error!(
            job.id = %self.job.id, tries = ?self.tries,
            "job put aside in {DEAD_JOBS}: every worker that took it was lost, the last one while the job ran alone"
        );
        Ok(Settlement::Ack)
    }

    // To the dead letters rather than discarded, so that operators can see how often this happens;
    // jobs that expire in the queue go there as well.
    async fn expire(&self, replier: &Replier) -> Result<Settlement, QueueError> {
        match self.class {
            JobClass::Interactive => Ok(Settlement::Reject),
            JobClass::Unattended => {
                let answer = Reply::deadline_passed(self.job.clone());
                replier
                    .send(self.reply_to(), &answer, REPLY_TIMEOUT)
                    .await?;
                Ok(Settlement::Ack)
            }
        }
    }

    async fn settle(self, how: Settlement) {
        let job = self.job.id;
        if let Err(error) = self.message.settle(how).await {
            tracing::debug!(job.id = %job, %error, "cannot settle a failed job; it is delivered again");
        }
        if let Some(token) = self.token {
            token.end().await;
        }
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }
}
