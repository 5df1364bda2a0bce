//! Jobs that came back because whoever had them was lost: counted, and run again only if there are
//! tries left.
//!
//! A classic queue says only that a message came back, once or more often. So such a message is
//! published again with its count, and the old one acknowledged: what then comes without the flag
//! was tried as often as its header says, and no more. A job whose tries are used up is answered
//! and put aside.

use std::time::Duration;

use lapin::Acker;
use lapin::types::ShortString;

use super::message::{Journey, Origin};
use super::replier::Replier;
use super::tags::{Settlement, settle};
use super::topology::DEAD_JOBS;
use super::tries::Tries;
use crate::job::Job;
use crate::queue::{JobClass, QueueError};
use crate::reply::Reply;

/// How long a job stays away whose count could not be published, so that it is not tried in a hot
/// loop.
const RETRY: Duration = Duration::from_millis(200);
/// Why it is among the dead.
const WORKER_CRASHED: &str = "worker_crashed";

/// What is to be done with a job before anybody runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Publish it again, with its count.
    Count,
    /// Answer it and put it aside.
    GiveUp,
}

/// A job that is not to be run as it came.
pub(super) struct Loss {
    pub(super) job: Job,
    pub(super) class: JobClass,
    pub(super) reply_to: Option<ShortString>,
    pub(super) tries: Tries,
    pub(super) acker: Acker,
    pub(super) remedy: Remedy,
}

impl Remedy {
    /// What `delivered` needs, if anything.
    pub(super) fn of(
        class: JobClass,
        tries: Tries,
        delivered: &lapin::message::Delivery,
    ) -> Option<Self> {
        if tries.used_up() {
            Some(Self::GiveUp)
        } else if class == JobClass::Interactive && delivered.redelivered {
            Some(Self::Count)
        } else {
            None
        }
    }
}

impl Loss {
    /// Does what is to be done. Until that is confirmed the message stays what it was, so it
    /// survives us.
    pub(super) async fn remedy(self, replier: Replier) {
        let done = match self.remedy {
            Remedy::Count => self.count(&replier).await,
            Remedy::GiveUp => self.give_up(&replier).await,
        };
        let how = match done {
            Ok(()) => Settlement::Ack,
            Err(error) => {
                tracing::warn!(job.id = %self.job.id, %error, "a job that came back could not be dealt with yet");
                tokio::time::sleep(RETRY).await;
                Settlement::Requeue
            }
        };
        if let Err(error) = settle(&self.acker, how).await {
            tracing::debug!(job.id = %self.job.id, %error, "a job that came back comes again");
        }
    }

    async fn count(&self, replier: &Replier) -> Result<(), QueueError> {
        tracing::info!(job.id = %self.job.id, "a job came back: its worker was lost; queued again");
        let journey = Journey {
            class: self.class,
            reply_to: self.reply_to(),
            origin: Origin::Returned(self.tries),
        };
        match replier.hand_back(&self.job, journey).await {
            // The queue is full. Given back to it, the job would come here again at once, in the
            // way of the others; the durable queue has room for it, and counts by itself.
            Err(QueueError::Refused(_)) => {
                let journey = Journey {
                    class: JobClass::Unattended,
                    ..journey
                };
                replier.hand_back(&self.job, journey).await
            }
            done => done,
        }
    }

    async fn give_up(&self, replier: &Replier) -> Result<(), QueueError> {
        tracing::error!(
            job.id = %self.job.id, tries = ?self.tries,
            "job put aside in {DEAD_JOBS}: every worker that took it was lost"
        );
        let answer = Reply::worker_crashed(self.job.clone());
        replier.send(self.reply_to(), &answer).await?;
        replier
            .put_aside(&self.job, self.tries, WORKER_CRASHED)
            .await
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }
}
