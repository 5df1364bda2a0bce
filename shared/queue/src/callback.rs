//! A queued callback: asks an API to post a finished job to its `callbackUrl`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::QueueError;
use warren_protocol::callback::CallbackUrl;
use warren_protocol::ids::{CallerTag, JobId};
use warren_protocol::job::Job;
use warren_protocol::time::EpochMillis;

/// The most callbacks that wait to be posted. On RabbitMQ, as many again may wait for a retry after
/// each of the pauses that it has; in process, this is the most altogether.
pub const MAX_QUEUED_CALLBACKS: u32 = 10_000;

/// The longest pause before a callback is retried.
pub const LONGEST_CALLBACK_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The pause before a callback that was dropped or could not be put back is delivered again, so
/// that a failing one is not retried in a hot loop.
pub(super) const CALLBACK_RETURN: Duration = Duration::from_secs(1);

/// One callback that is due: the body of a message on the queues of callbacks, as JSON. It does not
/// hold the payload. The API that posts it reads that from the store, where it is by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Version of this message; see [`Job::VERSION`].
    pub version: u16,
    /// The finished job.
    pub job: JobId,
    /// The address to post to.
    pub url: CallbackUrl,
    /// The tag of the job's caller; `None` in messages of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerTag>,
    /// The number of failed tries.
    pub tries: u32,
    /// The number of times it was postponed without a try.
    pub put_off: u32,
    /// The time since which it is due.
    pub since: EpochMillis,
}

impl Callback {
    /// Creates a callback that posts the end of `job` to `url`.
    #[must_use]
    pub fn new(job: JobId, url: CallbackUrl) -> Self {
        Self {
            version: Job::VERSION,
            job,
            url,
            caller: None,
            tries: 0,
            put_off: 0,
            since: EpochMillis::now(),
        }
    }
}

/// A callback that was taken, to be settled. Dropping it unsettled has it delivered again.
pub struct CallbackDelivery {
    /// The callback.
    pub callback: Callback,
    settle: Box<dyn SettleCallback>,
}

/// An implementation of the settlement of a callback. Dropping it unsettled has it delivered again.
pub trait SettleCallback: Send {
    /// Returns whether it is still held. If the connection that brought it is lost, so is the hold,
    /// and the callback is delivered again.
    fn is_ours(&self) -> bool;
    /// Ends it: it is not delivered again.
    fn done(self: Box<Self>) -> BoxFuture<'static, Result<(), QueueError>>;
    /// Replaces it by `next`, to be delivered after that pause.
    fn again(
        self: Box<Self>,
        next: Callback,
        after: Duration,
    ) -> BoxFuture<'static, Result<(), QueueError>>;
}

impl CallbackDelivery {
    /// Creates a callback that `settle` settles.
    #[must_use]
    pub fn new(callback: Callback, settle: Box<dyn SettleCallback>) -> Self {
        Self { callback, settle }
    }

    /// Returns whether it is still ours to post. If not, it is delivered again without our help.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.settle.is_ours()
    }

    /// Ends it: it was posted, or never will be.
    ///
    /// # Errors
    /// The connection was lost: it is delivered again.
    pub async fn done(self) -> Result<(), QueueError> {
        self.settle.done().await
    }

    /// Replaces it by `next`, to be delivered no earlier than after that pause of at most
    /// [`LONGEST_CALLBACK_PAUSE`]. It may be later, behind callbacks with longer pauses.
    ///
    /// # Errors
    /// `next` could not be queued: this one is delivered again, soon.
    pub async fn again(self, next: Callback, after: Duration) -> Result<(), QueueError> {
        self.settle
            .again(next, after.min(LONGEST_CALLBACK_PAUSE))
            .await
    }
}
