//! A job as the broker delivered it, and its settlement.

use futures_util::future::BoxFuture;
use lapin::types::ShortString;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

use super::failed::{Disposition, FailedDelivery};
use super::token::HeldToken;
use crate::rabbit::publish::Replier;
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::message::{Journey, Origin};
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::tries::Tries;
use crate::{JobClass, QueueError, Settle};

/// The queue that a job was taken from.
pub(crate) enum Source {
    /// The queue of its class.
    Jobs(JobClass),
    /// The queue of suspects.
    Suspects {
        /// The job's own class.
        class: JobClass,
        /// The token by which it was taken.
        token: HeldToken,
    },
}

impl Source {
    fn class(&self) -> JobClass {
        match self {
            Self::Jobs(class) | Self::Suspects { class, .. } => *class,
        }
    }
}

/// A job as it was delivered. If it is dropped unsettled, at whatever point, it goes back to its
/// queue.
pub(crate) struct AmqpDelivery {
    job: JobId,
    class: JobClass,
    token: Option<HeldToken>,
    message: Option<HeldMessage>,
    reply_to: Option<ShortString>,
    tries: Tries,
    replier: Replier,
}

impl AmqpDelivery {
    /// Creates the delivery of the job in `delivered`, which had `tries` before. Must be called
    /// within the runtime.
    pub(crate) fn new(
        job: JobId,
        source: Source,
        tries: Tries,
        delivered: lapin::message::Delivery,
        replier: Replier,
    ) -> Self {
        let class = source.class();
        Self {
            job,
            class,
            token: match source {
                Source::Jobs(_) => None,
                Source::Suspects { token, .. } => Some(token),
            },
            reply_to: delivered.properties.reply_to().clone(),
            message: Some(HeldMessage::new(delivered.acker)),
            tries,
            replier,
        }
    }

    fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_ref().map(ShortString::as_str)
    }

    /// Acknowledges the job, then ends its token.
    async fn finish(&mut self) -> Result<(), QueueError> {
        let settled = match self.message.take() {
            Some(message) => message.settle(Settlement::Ack).await,
            None => Ok(()),
        };
        if let Some(token) = self.token.take() {
            token.end().await;
        }
        settled
    }

    /// Sends the job back, then its token.
    fn go_back(&mut self) -> impl Future<Output = Result<(), QueueError>> + Send + use<> {
        let (message, token) = (self.message.take(), self.token.take());
        async move {
            let settled = match message {
                Some(message) => message.settle(Settlement::Requeue).await,
                None => Ok(()),
            };
            if let Some(token) = token {
                token.go_back().await;
            }
            settled
        }
    }
}

impl Drop for AmqpDelivery {
    fn drop(&mut self) {
        let Some(message) = &self.message else {
            return;
        };
        let runtime = message.runtime().clone();
        let (job, going_back) = (self.job, self.go_back());
        runtime.spawn(async move {
            if let Err(error) = going_back.await {
                tracing::debug!(job.id = %job, %error, "a job was lost with its connection; it is delivered again");
            }
        });
    }
}

impl Settle for AmqpDelivery {
    fn is_ours(&self) -> bool {
        self.message.as_ref().is_some_and(HeldMessage::is_ours)
    }

    fn reply(mut self: Box<Self>, reply: Reply) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(async move {
            self.replier.send(self.reply_to(), &reply).await?;
            if let Err(error) = self.finish().await {
                tracing::warn!(
                    job.id = %self.job, %error,
                    "cannot acknowledge an answered job; it is delivered again"
                );
            }
            Ok(())
        })
    }

    // As a new message, since every return of the old one counts as a try. If it cannot be
    // published, the old one is returned all the same: better a counted return than none.
    fn requeue<'a>(mut self: Box<Self>, job: &'a Job) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            if !self.is_ours() {
                return Err(QueueError::Disconnected);
            }
            let journey = Journey {
                class: self.class,
                reply_to: self.reply_to(),
                origin: Origin::Returned(self.tries),
            };
            let handed_back = match self.token {
                None => self.replier.hand_back(job, journey).await,
                Some(_) => self.replier.suspect_again(job, journey).await,
            };
            match handed_back {
                Ok(()) => {
                    // The new message needs the token.
                    let token = self.token.take();
                    let finished = self.finish().await;
                    if let Some(token) = token {
                        token.go_back().await;
                    }
                    finished
                }
                Err(error) => {
                    tracing::warn!(job.id = %self.job, %error, "cannot hand a job back as new; it goes back as if it had been lost");
                    self.go_back().await
                }
            }
        })
    }

    fn abandon(self: Box<Self>) {
        drop(self);
    }

    fn reply_in_background(self: Box<Self>, reply: Reply) {
        let Some(message) = &self.message else {
            return;
        };
        let (job, runtime) = (self.job, message.runtime().clone());
        // Bounded by the prefetch.
        runtime.spawn(async move {
            if let Err(error) = self.reply(reply).await {
                tracing::warn!(job.id = %job, %error, "failed to answer a job; it goes back");
            }
        });
    }

    fn expire(mut self: Box<Self>, job: Job) {
        if let Some(message) = self.message.take() {
            let runtime = message.runtime().clone();
            let failed = FailedDelivery {
                job,
                class: self.class,
                reply_to: self.reply_to.take(),
                tries: self.tries,
                message,
                token: self.token.take(),
                disposition: Disposition::Expire,
            };
            runtime.spawn(failed.dispose(self.replier.clone()));
        }
    }
}
