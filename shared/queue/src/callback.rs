//! A queued callback: asks an API to post a finished job to its `callbackUrl`.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::QueueError;
use warren_protocol::callback::CallbackUrl;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::time::EpochMillis;

/// The most callbacks that wait to be posted, and as many that wait to be tried again for each of
/// the pauses that RabbitMQ has; in process, the most altogether.
pub const MAX_QUEUED_CALLBACKS: u32 = 10_000;

/// The longest pause before a callback is tried again.
pub const LONGEST_CALLBACK_PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long a callback that was dropped or could not be put back stays away, so that what fails is
/// not asked in a hot loop.
pub(super) const CALLBACK_RETURN: Duration = Duration::from_secs(1);

/// One callback that is due: the body of a message on the queues of callbacks, as JSON. What is
/// posted is not in it: whoever posts it reads that from the store, where it is by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Version of this message; see [`Job::VERSION`].
    pub version: u16,
    /// Whose end it tells of.
    pub job: JobId,
    /// Where it is to be posted.
    pub url: CallbackUrl,
    /// How often that was tried in vain.
    pub tries: u32,
    /// How often it was put off since, without a try.
    pub put_off: u32,
    /// Since when it is due.
    pub since: EpochMillis,
}

impl Callback {
    /// That `job` came to its end, to be posted to `url`.
    #[must_use]
    pub fn new(job: JobId, url: CallbackUrl) -> Self {
        Self {
            version: Job::VERSION,
            job,
            url,
            tries: 0,
            put_off: 0,
            since: EpochMillis::now(),
        }
    }
}

/// A callback that was taken, to be settled. Dropped, it comes again.
pub struct CallbackDelivery {
    /// The callback.
    pub callback: Callback,
    settle: Box<dyn SettleCallback>,
}

/// How an implementation of the queue settles a callback. Dropped unsettled, it comes again.
#[async_trait]
pub trait SettleCallback: Send {
    /// Whether it is still held. With the connection that brought it, it is lost, and comes again.
    fn is_ours(&self) -> bool;
    /// It must not come again.
    async fn done(self: Box<Self>) -> Result<(), QueueError>;
    /// This comes in its place, not before that pause is over.
    async fn again(self: Box<Self>, next: Callback, after: Duration) -> Result<(), QueueError>;
}

impl CallbackDelivery {
    /// A callback that `settle` settles.
    #[must_use]
    pub fn new(callback: Callback, settle: Box<dyn SettleCallback>) -> Self {
        Self { callback, settle }
    }

    /// Whether it is still ours to post. If not, it comes again by itself.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.settle.is_ours()
    }

    /// It was posted, or never will be.
    ///
    /// # Errors
    /// The connection was lost: it comes again.
    pub async fn done(self) -> Result<(), QueueError> {
        self.settle.done().await
    }

    /// `next` takes its place and comes no earlier than after that pause, of at most
    /// [`LONGEST_CALLBACK_PAUSE`]. It may come later, behind others with longer pauses.
    ///
    /// # Errors
    /// It could not be queued: the old one comes again, soon.
    pub async fn again(self, next: Callback, after: Duration) -> Result<(), QueueError> {
        self.settle
            .again(next, after.min(LONGEST_CALLBACK_PAUSE))
            .await
    }
}
