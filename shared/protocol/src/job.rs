//! A validated submission on its way to a worker.

use std::borrow::Cow;
use std::time::Duration;

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
    /// When its caller stops waiting; of a job that nobody waits for, by when it is to be begun.
    pub deadline: Deadline,
    /// W3C `traceparent` of the request, if it had one.
    pub traceparent: Option<String>,
    /// Where its result is to be posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackUrl>,
    /// What all its runs share once it is begun; `None`: what is left until the deadline. A job
    /// that may wait for an hour must not hold a slot for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
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
            budget: None,
        }
    }

    /// The job as it is to be run from now on: by what is left of its deadline, and of its budget.
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
