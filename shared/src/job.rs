//! A validated submission on its way to a worker.

use serde::{Deserialize, Serialize};

use crate::callback::CallbackUrl;
use crate::ids::{JobId, RoomId};
use crate::limits::Limits;
use crate::submission::Submission;
use crate::time::{Deadline, EpochMillis};

/// What is to be run, and until when. This is the body of a message on the queues of
/// jobs, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Version of this message.
    pub version: u16,
    /// Its identity, also the correlation id.
    pub id: JobId,
    /// The room it was submitted to.
    pub room: RoomId,
    /// What to run.
    pub submission: Submission,
    /// What each run may use.
    pub limits: Limits,
    /// When it was submitted.
    pub submitted_at: EpochMillis,
    /// When its caller stops waiting.
    pub deadline: Deadline,
    /// W3C `traceparent` of the request, if it had one.
    pub traceparent: Option<String>,
    /// Where its result is to be posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackUrl>,
}

impl Job {
    /// The version this build writes and reads. A worker refuses any other.
    pub const VERSION: u16 = 3;

    /// A new job for `submission`.
    #[must_use]
    pub fn new(room: RoomId, submission: Submission, limits: Limits, deadline: Deadline) -> Self {
        Self {
            version: Self::VERSION,
            id: JobId::new(),
            room,
            submission,
            limits,
            submitted_at: EpochMillis::now(),
            deadline,
            traceparent: None,
            callback: None,
        }
    }
}
