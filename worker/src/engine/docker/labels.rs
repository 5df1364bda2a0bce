//! What a container says of itself: who owns it, what it is for, and until when.

use std::collections::HashMap;

use warren_protocol::ids::InstanceId;
use warren_protocol::time::EpochMillis;

use crate::engine::{Launch, Purpose};

/// Every container of ours carries it.
pub(super) const INSTANCE: &str = "warren.instance";
const LANGUAGE: &str = "warren.language";
/// Only on those that were started for a job: one that was parked says nothing of the job it got.
const JOB: &str = "warren.job";
const DEADLINE: &str = "warren.deadline";

/// A container's labels.
pub(super) struct Labels {
    pub(super) instance: String,
    pub(super) language: String,
    /// Empty if it was started to be parked.
    pub(super) job: String,
    /// When the container must be gone, whatever its owner does.
    pub(super) deadline: EpochMillis,
}

impl Labels {
    pub(super) fn new(instance: &InstanceId, launch: &Launch) -> Self {
        Self {
            instance: instance.to_string(),
            language: launch.language.to_string(),
            job: match launch.purpose {
                Purpose::Park => String::new(),
                Purpose::Job(job) => job.to_string(),
            },
            deadline: EpochMillis::now() + launch.max_life,
        }
    }

    pub(super) fn into_map(self) -> HashMap<String, String> {
        let mut map = HashMap::from([
            (INSTANCE.to_owned(), self.instance),
            (LANGUAGE.to_owned(), self.language),
            (DEADLINE.to_owned(), self.deadline.get().to_string()),
        ]);
        if !self.job.is_empty() {
            map.insert(JOB.to_owned(), self.job);
        }
        map
    }

    /// The labels of a container that was found. A deadline that cannot be read has passed.
    pub(super) fn read(map: &HashMap<String, String>) -> Self {
        let text = |name: &str| map.get(name).cloned().unwrap_or_default();
        Self {
            instance: text(INSTANCE),
            language: text(LANGUAGE),
            job: text(JOB),
            deadline: EpochMillis::from_millis(text(DEADLINE).parse().unwrap_or(0)),
        }
    }
}
