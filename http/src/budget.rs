//! How one request's time is spent: everything it waits for ends by one deadline.

use std::time::Duration;

use tokio::time::Instant;
use warren_shared::time::Deadline;

/// The longest a caller waits, as the contract has it.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// The shortest wait that can be configured: less could hold no run.
pub const MIN_WAIT: Duration = Duration::from_millis(500);
/// The most time a request's body may take to arrive, so that there is time left for the run.
pub const BODY_TIME: Duration = Duration::from_secs(2);
/// Kept back from the wait so that the answer has left before it is over. Hundreds of waits that
/// end together took two busy cores 130 ms to answer.
pub const ANSWER_RESERVE: Duration = Duration::from_millis(200);
/// Kept back from the job's deadline, in addition, so that a reply made just in time arrives.
pub const REPLY_RESERVE: Duration = Duration::from_millis(75);

/// One request's time, from its first moment.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    start: Instant,
    wait: Duration,
}

impl Budget {
    /// The time of a request that begins now.
    #[must_use]
    pub fn start(wait: Duration) -> Self {
        Self {
            start: Instant::now(),
            wait,
        }
    }

    /// When the body must be here.
    #[must_use]
    pub fn body_by(self) -> Instant {
        self.start + BODY_TIME.min(self.wait / 2)
    }

    /// When the answer must be made.
    #[must_use]
    pub fn answer_by(self) -> Instant {
        self.start + self.wait.saturating_sub(ANSWER_RESERVE)
    }

    /// What the job is given.
    #[must_use]
    pub fn job_deadline(self) -> Deadline {
        Deadline::after(self.left().saturating_sub(REPLY_RESERVE))
    }

    /// How long until the answer must be made.
    #[must_use]
    pub fn left(self) -> Duration {
        self.answer_by().saturating_duration_since(Instant::now())
    }
}
