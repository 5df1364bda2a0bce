//! Events in a job's life between submission and result, published to every API.
//!
//! They are best effort and never durable: the record is the truth, and an event only says when to
//! look at it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, JobId};
use crate::time::EpochMillis;

/// The most events an API may lag behind before it misses some.
pub const MAX_EVENTS_BEHIND: usize = 4_096;
/// The longest that publishing an event may take.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);
/// The time a caller's job runs before its worker publishes `running`. Most jobs are done by then
/// and cost no event.
pub const PUBLISHED_AFTER: Duration = Duration::from_millis(250);

/// An event in a job's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Version of this message; see [`JobEvent::VERSION`].
    pub version: u16,
    /// The job's id.
    pub job_id: JobId,
    /// The kind of event.
    pub happened: Happened,
    /// The time of the event, by its publisher's clock.
    pub at: EpochMillis,
}

/// A kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum Happened {
    /// A worker has begun the job.
    Running {
        /// The worker.
        worker: InstanceId,
    },
    /// The job's end is recorded.
    Finished,
}

impl JobEvent {
    /// The version this build writes, and the only one it reads.
    pub const VERSION: u16 = 1;

    /// Creates an event that happens now.
    #[must_use]
    pub fn now(job_id: JobId, happened: Happened) -> Self {
        Self {
            version: Self::VERSION,
            job_id,
            happened,
            at: EpochMillis::now(),
        }
    }
}
