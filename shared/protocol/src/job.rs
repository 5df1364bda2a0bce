//! A job: a validated submission on its way to a worker.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::callback::CallbackUrl;
use crate::ids::{CallerTag, JobId, RoomId};
use crate::limits::Limits;
use crate::submission::Submission;
use crate::time::{Deadline, EpochMillis};

/// A submission to run, with its limits and its deadline. As JSON, this is the body of a message on
/// the queues of jobs. [`crate::time`] sets `deadline` and `budget` beside Warren's other times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Version of this message.
    pub version: u16,
    /// Its id, which is also the correlation id.
    pub id: JobId,
    /// The room it was submitted to.
    pub room: RoomId,
    /// The tag of who submitted it; `None` in a job that came to a worker directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerTag>,
    /// How much its caller had open already, if nobody waits for it.
    #[serde(default)]
    pub standing: Standing,
    /// The code, its language and its inputs.
    pub submission: Submission,
    /// The limits of each run.
    pub limits: Limits,
    /// The time of its submission.
    pub submitted_at: EpochMillis,
    /// The time at which its caller stops waiting. A worker must have begun an unattended job by then.
    pub deadline: Deadline,
    /// W3C `traceparent` of the request, if it had one.
    pub traceparent: Option<String>,
    /// The address to post its result to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackUrl>,
    /// The time that all its runs share once it has begun; `None` means the time left until the
    /// deadline. A job that may wait for an hour must not hold a slot for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
}

/// How much its caller had open when an unattended job was submitted. Jobs of those who had little
/// do not wait behind those of others who had much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The caller had little.
    LightCaller,
    /// The caller had much, and little of it in this room.
    LightRoom,
    /// The caller had much in this room. Also that of jobs from versions that did not tell.
    #[default]
    Heavy,
}

impl Job {
    /// The version that this build writes and reads. A worker refuses any other.
    pub const VERSION: u16 = 3;

    /// Creates a job for `submission`.
    #[must_use]
    pub fn new(room: RoomId, submission: Submission, limits: Limits, deadline: Deadline) -> Self {
        Self {
            version: Self::VERSION,
            id: JobId::new(),
            room,
            caller: None,
            standing: Standing::default(),
            submission,
            limits,
            submitted_at: EpochMillis::now(),
            deadline,
            traceparent: None,
            callback: None,
            budget: None,
        }
    }

    /// Returns the job as it is to run from now on: within what is left of its deadline and of its
    /// budget.
    #[must_use]
    pub fn begun(&self) -> Cow<'_, Self> {
        match self.budget.map(Deadline::after) {
            Some(end) if end < self.deadline => Cow::Owned(Self {
                deadline: end,
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(budget: Option<Duration>) -> Job {
        let submission = serde_json::json!({
            "language": "python", "code": "1", "input": null, "test_cases": [],
        });
        let mut job = Job::new(
            RoomId::direct(),
            serde_json::from_value(submission).unwrap(),
            Limits::default(),
            Deadline::after(Duration::from_secs(100)),
        );
        job.budget = budget;
        job
    }

    #[test]
    fn a_job_is_run_within_its_budget_and_by_its_deadline() {
        let attended = job(None);
        assert_eq!(*attended.begun(), attended);
        let ample = job(Some(Duration::from_secs(200)));
        assert_eq!(ample.begun().deadline, ample.deadline);
        let patient = job(Some(Duration::from_secs(5)));
        let begun = patient.begun();
        assert!(begun.deadline.remaining() <= Duration::from_secs(5));
        assert!(begun.deadline.remaining() > Duration::from_secs(1));
        assert_eq!(begun.id, patient.id);
    }
}
