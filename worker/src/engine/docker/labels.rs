//! A container's labels: its owner, its purpose, and its deadline.

use std::collections::HashMap;

use warren_protocol::ids::InstanceId;
use warren_protocol::time::EpochMillis;

use crate::engine::{Launch, Purpose};

/// The label of the owner, which every container of Warren's has.
pub(super) const INSTANCE: &str = "warren.instance";
const LANGUAGE: &str = "warren.language";
/// The label of the job. Only containers that were started for a job have it: the label of a parked
/// one cannot show which job it got.
const JOB: &str = "warren.job";
const DEADLINE: &str = "warren.deadline";

/// A container's labels.
pub(super) struct Labels {
    pub(super) instance: String,
    pub(super) language: String,
    /// Empty if it was started to be parked.
    pub(super) job: String,
    /// The moment at which the container must be gone, whatever its owner does.
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

    /// Reads the labels of a container. A deadline that cannot be read counts as passed.
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
