//! A worker's presence and capacity, published to every API.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::InstanceId;
use crate::time::EpochMillis;

/// The interval at which a worker announces itself. It also does so at once when its state changes.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// The silence after which an API considers a worker gone.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);

/// The status of one worker at the time it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Version of this message; see [`WorkerStatus::VERSION`].
    pub version: u16,
    /// The worker.
    pub instance: InstanceId,
    /// Whether it takes jobs.
    pub state: WorkerState,
    /// The number of jobs it can run at a time.
    pub slots: u16,
    /// The number of running jobs that a caller waits for.
    pub running: u16,
    /// The recent average time for which a job held a slot; `None` before the first job.
    #[serde(default)]
    pub service: Option<Duration>,
    /// The time of sending, by the worker's own clock.
    pub sent_at: EpochMillis,
}

impl WorkerStatus {
    /// The version that this build writes, and the only one it reads.
    pub const VERSION: u16 = 1;
}

/// A worker's readiness to take jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkerState {
    /// It takes jobs.
    Ready,
    /// It takes none for now and will resume by itself.
    Suspended {
        /// The reason, for people.
        reason: String,
    },
    /// It is stopping: it finishes its jobs and takes no more.
    Draining,
}
