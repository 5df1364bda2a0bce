//! A job as the broker delivered it, and its settlement.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::types::ShortString;
use tokio::runtime::Handle;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

use super::colleagues::Colleagues;
use super::failed::{Disposition, FailedDelivery};
use super::held_jobs::{Carried, Company, JobInHand};
use crate::rabbit::broadcast::claims::Word;
use crate::rabbit::publish::{REPLY_TIMEOUT, Replier};
use crate::rabbit::wire::message::{Journey, Origin};
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::tries::Tries;
use crate::{JobClass, QueueError, Settle};

/// The longest that the reply to a job that was run waits for a connection. Longer than a broker
/// takes to be replaced; the worker bounds how many replies wait.
const REPLY_KEPT_FOR: Duration = Duration::from_secs(600);

/// A job as it was delivered. If it is dropped unsettled, at whatever point, it goes back to its
/// queue.
pub(crate) struct AmqpDelivery {
    held: JobInHand,
    class: JobClass,
    tries: Tries,
    replier: Replier,
    colleagues: Arc<Colleagues>,
    // It may be dropped outside of the runtime.
    runtime: Handle,
}

impl AmqpDelivery {
    /// Creates the delivery of a held job, which had `tries` before. Must be called within the
    /// runtime.
    pub(crate) fn new(
        held: JobInHand,
        class: JobClass,
        tries: Tries,
        replier: Replier,
        colleagues: Arc<Colleagues>,
    ) -> Self {
        Self {
            held,
            class,
            tries,
            replier,
            colleagues,
            runtime: Handle::current(),
        }
    }

    /// Sends the reply within `patience`, then acknowledges the job.
    async fn answer(self, reply: Reply, patience: Duration) -> Result<(), QueueError> {
        let reply_to = self.held.reply_to();
        let reply_to = reply_to.as_ref().map(ShortString::as_str);
        self.replier.send(reply_to, &reply, patience).await?;
        let job = self.held.id();
        if let Err(error) = self.finish().await {
            tracing::warn!(
                job.id = %job, %error,
                "cannot acknowledge an answered job; the worker that gets it next knows of the answer"
            );
            // Before this job is let go, so that it is not run here either.
            self.colleagues.tell(job, Word::Answered);
        }
        Ok(())
    }

    /// Acknowledges the job, then ends its token.
    async fn finish(&self) -> Result<(), QueueError> {
        let Some(Carried { message, token, .. }) = self.held.take() else {
            return Ok(());
        };
        let settled = message.settle(Settlement::Ack).await;
        if let Some(token) = token {
            token.end().await;
        }
        settled
    }
}

/// Sends a job back, then its token.
async fn go_back(carried: Carried) -> Result<(), QueueError> {
    let settled = carried.message.settle(Settlement::Requeue).await;
    if let Some(token) = carried.token {
        token.go_back().await;
    }
    settled
}

impl Drop for AmqpDelivery {
    fn drop(&mut self) {
        let Some(carried) = self.held.take() else {
            return;
        };
        let job = self.held.id();
        self.runtime.spawn(async move {
            if let Err(error) = go_back(carried).await {
                tracing::debug!(job.id = %job, %error, "a job was lost with its connection; it is delivered again");
            }
        });
    }
}

impl Settle for AmqpDelivery {
    fn is_ours(&self) -> bool {
        self.held.is_ours()
    }

    fn reply(self: Box<Self>, reply: Reply) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(self.answer(reply, REPLY_KEPT_FOR))
    }

    // As a new message, since every return of the old one counts as a try. If it cannot be
    // published, the old one is returned all the same: better a counted return than none.
    fn requeue<'a>(self: Box<Self>, job: &'a Job) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            if !self.is_ours() {
                if self.held.company() == Company::Alone {
                    self.colleagues.tell(job.id, Word::LetGo);
                }
                return Err(QueueError::Disconnected);
            }
            let reply_to = self.held.reply_to();
            let journey = Journey {
                class: self.class,
                reply_to: reply_to.as_ref().map(ShortString::as_str),
                origin: Origin::Returned(self.tries),
            };
            let handed_back = match self.held.company() {
                Company::Others => self.replier.hand_back(job, journey).await,
                Company::Alone => self.replier.suspect_again(job, journey).await,
            };
            let Some(mut carried) = self.held.take() else {
                return Ok(());
            };
            match handed_back {
                Ok(()) => {
                    // The new message needs the token.
                    let token = carried.token.take();
                    let finished = carried.message.settle(Settlement::Ack).await;
                    if let Some(token) = token {
                        token.go_back().await;
                    }
                    finished
                }
                Err(error) => {
                    tracing::warn!(job.id = %job.id, %error, "cannot hand a job back as new; it goes back as if it had been lost");
                    if self.held.company() == Company::Alone {
                        self.colleagues.tell(job.id, Word::LetGo);
                    }
                    go_back(carried).await
                }
            }
        })
    }

    fn abandon(self: Box<Self>) {
        drop(self);
    }

    fn reply_in_background(self: Box<Self>, reply: Reply) {
        let (job, runtime) = (self.held.id(), self.runtime.clone());
        // Bounded by the prefetch.
        runtime.spawn(async move {
            if let Err(error) = self.answer(reply, REPLY_TIMEOUT).await {
                tracing::warn!(job.id = %job, %error, "failed to answer a job; it goes back");
            }
        });
    }

    fn expire(self: Box<Self>, job: Job) {
        if let Some(carried) = self.held.take() {
            let failed = FailedDelivery {
                job,
                class: self.class,
                reply_to: carried.reply_to,
                tries: self.tries,
                message: carried.message,
                token: carried.token,
                disposition: Disposition::Expire,
            };
            self.runtime.spawn(failed.dispose(self.replier.clone()));
        }
    }
}
