//! What happens to a job between its submission and its result, told to every API. Best effort and
//! never durable: what is recorded is the truth, and an event only says when to look.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, JobId};
use crate::time::EpochMillis;

/// How many events an API may be behind with before it misses some.
pub const MAX_EVENTS_BEHIND: usize = 4_096;
/// How long telling of an event may take.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a caller's job runs before its worker says so. Most are done by then, and cost nothing.
pub const TOLD_AFTER: Duration = Duration::from_millis(250);

/// That something happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Version of this message; see [`JobEvent::VERSION`].
    pub version: u16,
    /// The job.
    pub job_id: JobId,
    /// What happened.
    pub happened: Happened,
    /// When, by the clock of whoever tells.
    pub at: EpochMillis,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum Happened {
    /// A worker has begun it.
    Running {
        /// Which one.
        worker: InstanceId,
    },
    /// Its end is recorded.
    Finished,
}

impl JobEvent {
    /// The version this build writes, and the only one it reads.
    pub const VERSION: u16 = 1;

    /// That this happens now.
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
