//! What a worker tells of itself to every API: that it is there, and what can be expected of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::InstanceId;
use crate::time::EpochMillis;

/// How often a worker announces itself, beside at once when its state changes.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// A worker that was not heard of for this long is taken to be gone.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);

/// One worker, as it was when it said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Version of this message; see [`WorkerStatus::VERSION`].
    pub version: u16,
    /// Which worker.
    pub instance: InstanceId,
    /// Whether it takes jobs.
    pub state: WorkerState,
    /// How many jobs it can run at a time.
    pub slots: u16,
    /// How many it runs that somebody waits for.
    pub running: u16,
    /// For how long a job has held a slot lately, on average; `None` before the first.
    #[serde(default)]
    pub service: Option<Duration>,
    /// When it said so, by its own clock.
    pub sent_at: EpochMillis,
}

impl WorkerStatus {
    /// The version this build writes, and the only one it reads.
    pub const VERSION: u16 = 1;
}

/// Whether a worker takes jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkerState {
    /// It does.
    Ready,
    /// Not now, and it will again by itself.
    Suspended {
        /// Why, for people.
        reason: String,
    },
    /// It is stopping: it ends what it runs and takes no more.
    Draining,
}
