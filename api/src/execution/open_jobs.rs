//! Open unattended jobs, by caller and room: those whose end is not known yet.
//!
//! Each API counts its own. A job is open until its end is published to every API, or, since that is
//! best effort, until it must have ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use warren_protocol::contract::Problem;
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::job::{Job, Standing};
use warren_protocol::time::EpochMillis;
use warren_queue::MAX_QUEUED_JOBS;

use crate::metrics::Metrics;
use crate::store::OVERDUE;
use crate::sync::{Hold, HoldsAll, Lock, TimedCounts};

/// The most that are open at a time: as many as one lane of the queue holds. So one caller, who may
/// have two thirds of them, never fills a lane.
const MOST: usize = MAX_QUEUED_JOBS as usize;
/// A caller, or a room of it, with fewer open jobs than this sends little: its next job does not
/// wait behind the jobs of those who send much.
const LITTLE: usize = 8;
/// `Retry-After` for a caller that has all it may have.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The open jobs.
pub(crate) struct OpenJobs {
    most: usize,
    jobs: Lock<TimedCounts<JobId, EpochMillis, RoomId>>,
}

/// The caller has as many open jobs as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyOpen {
    of_caller: usize,
}

impl Default for OpenJobs {
    fn default() -> Self {
        Self {
            most: MOST,
            jobs: Lock::default(),
        }
    }
}

impl OpenJobs {
    /// Counts a job that is about to be submitted, if its caller and room may have one more.
    pub(crate) fn open(&self, job: &Job) -> Result<Standing, TooManyOpen> {
        self.open_at(job, EpochMillis::now())
    }

    fn open_at(&self, job: &Job, now: EpochMillis) -> Result<Standing, TooManyOpen> {
        let hold = Hold {
            caller: job.caller.unwrap_or_default(),
            part: job.room.clone(),
            end: job.deadline.at() + OVERDUE,
        };
        let held = self.jobs.lock().hold(self.most, now, job.id, hold)?;
        Ok(if held.caller < LITTLE {
            Standing::LightCaller
        } else if held.part < LITTLE {
            Standing::LightRoom
        } else {
            Standing::Heavy
        })
    }

    /// Forgets a job: it has ended, or was not taken.
    pub(crate) fn ended(&self, job: JobId) {
        self.jobs.lock().end(job);
    }

    /// Returns how many jobs are open.
    pub(crate) fn count(&self) -> usize {
        self.jobs.lock().total()
    }

    /// Registers how many jobs are open, and how many may be.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let (open, most) = (Arc::clone(self), self.most);
        metrics.register_gauge(
            "open_jobs",
            "Jobs that nobody waits for, taken here, whose end is not known yet",
            move || Some(open.count()),
        );
        metrics.register_gauge("open_jobs_max", "How many there may be", move || Some(most));
    }
}

impl From<HoldsAll> for TooManyOpen {
    fn from(HoldsAll(held): HoldsAll) -> Self {
        Self {
            of_caller: held.caller,
        }
    }
}

impl From<TooManyOpen> for Problem {
    fn from(TooManyOpen { of_caller }: TooManyOpen) -> Self {
        let message = format!(
            "You have {of_caller} jobs that nobody waits for and that have not ended, which is your share of the queue. Send more once some have ended."
        );
        Self::new(429, "too_many_open_jobs", message)
            .with_details(json!({ "open": of_caller }))
            .retry_after(RETRY_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use warren_protocol::ids::CallerTag;
    use warren_protocol::limits::Limits;
    use warren_protocol::time::Deadline;

    use super::*;

    fn job(caller: u8, room: &str) -> Job {
        let submission = json!({
            "language": "python", "code": "1", "input": null, "test_cases": [],
        });
        let submission = serde_json::from_value(submission).unwrap();
        let deadline = Deadline::after(Duration::from_secs(60));
        let room = room.parse().unwrap();
        let mut job = Job::new(room, submission, Limits::default(), deadline);
        job.caller = Some(CallerTag::new([caller; 16]));
        job
    }

    fn open_jobs(most: usize) -> OpenJobs {
        OpenJobs {
            most,
            ..OpenJobs::default()
        }
    }

    #[test]
    fn a_caller_that_floods_from_many_rooms_leaves_a_third_to_others() {
        let open = open_jobs(300);
        let mut taken = Vec::new();
        for room in 0..400 {
            let job = job(1, &format!("r{}", room % 255));
            if open.open(&job).is_ok() {
                taken.push(job);
            }
        }
        assert!((195..=205).contains(&taken.len()), "{}", taken.len());
        let problem = Problem::from(open.open(&job(1, "new")).unwrap_err());
        assert_eq!((problem.status, problem.code), (429, "too_many_open_jobs"));
        assert_eq!(open.open(&job(2, "r0")), Ok(Standing::LightCaller));
        for job in &taken {
            open.ended(job.id);
            open.ended(job.id);
        }
        assert_eq!(open.count(), 1);
        assert_eq!(open.open(&job(1, "new")), Ok(Standing::LightCaller));
    }

    #[test]
    fn who_has_little_open_is_told_apart() {
        let open = open_jobs(1_000);
        let standing = |caller, room: &str| open.open(&job(caller, room)).unwrap();
        for _ in 0..LITTLE {
            assert_eq!(standing(1, "flood"), Standing::LightCaller);
        }
        assert_eq!(standing(1, "flood"), Standing::Heavy);
        assert_eq!(standing(1, "few"), Standing::LightRoom);
        assert_eq!(standing(2, "flood"), Standing::LightCaller);
    }

    #[test]
    fn a_job_whose_end_was_never_heard_is_forgotten_when_it_must_have_ended() {
        let open = open_jobs(1_000);
        let (first, now) = (job(1, "room"), EpochMillis::now());
        open.open_at(&first, now).unwrap();
        open.open_at(&job(1, "room"), now + Duration::from_secs(30))
            .unwrap();
        assert_eq!(open.count(), 2);
        let later = first.deadline.at() + OVERDUE + Duration::from_secs(10);
        open.open_at(&job(2, "room"), later).unwrap();
        assert_eq!(open.count(), 1);
        assert_eq!(open.jobs.lock().sizes(), [1; 3]);
    }
}
