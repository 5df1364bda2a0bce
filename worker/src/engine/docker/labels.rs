//! What a container says of itself: who owns it, for which job, and until when.

use std::collections::HashMap;

use warren_shared::ids::InstanceId;
use warren_shared::time::EpochMillis;

use crate::engine::Launch;

/// Every container of ours carries it.
pub(super) const INSTANCE: &str = "warren.instance";
const JOB: &str = "warren.job";
const DEADLINE: &str = "warren.deadline";

/// A container's labels.
pub(super) struct Labels {
    pub(super) instance: String,
    pub(super) job: String,
    /// When the container must be gone, whatever its owner does.
    pub(super) deadline: EpochMillis,
}

impl Labels {
    pub(super) fn new(instance: &InstanceId, launch: &Launch) -> Self {
        Self {
            instance: instance.to_string(),
            job: launch.job.to_string(),
            deadline: EpochMillis::now() + launch.max_life,
        }
    }

    pub(super) fn into_map(self) -> HashMap<String, String> {
        HashMap::from([
            (INSTANCE.to_owned(), self.instance),
            (JOB.to_owned(), self.job),
            (DEADLINE.to_owned(), self.deadline.get().to_string()),
        ])
    }

    /// The labels of a container that was found. A deadline that cannot be read has passed.
    pub(super) fn read(map: &HashMap<String, String>) -> Self {
        let text = |name: &str| map.get(name).cloned().unwrap_or_default();
        Self {
            instance: text(INSTANCE),
            job: text(JOB),
            deadline: EpochMillis::from_millis(text(DEADLINE).parse().unwrap_or(0)),
        }
    }
}
