//! How one request's time is spent: everything it waits for ends by one deadline.

use std::time::Duration;

use tokio::time::Instant;
use warren_protocol::time::Deadline;

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
    patience: Duration,
}

impl Budget {
    /// The time of a request that begins now.
    #[must_use]
    pub fn start(wait: Duration) -> Self {
        Self {
            start: Instant::now(),
            wait,
            patience: wait,
        }
    }

    /// The same for a caller who waits no longer than `patience`. The job keeps its time: its
    /// result can be read later.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self {
            patience: patience.min(self.wait),
            ..self
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
        self.start + self.patience.saturating_sub(ANSWER_RESERVE)
    }

    /// What the job is given.
    #[must_use]
    pub fn job_deadline(self) -> Deadline {
        Deadline::after(self.job_left().saturating_sub(REPLY_RESERVE))
    }

    /// How long until the answer to the most patient caller would have to be made.
    #[must_use]
    pub fn job_left(self) -> Duration {
        let end = self.start + self.wait.saturating_sub(ANSWER_RESERVE);
        end.saturating_duration_since(Instant::now())
    }

    /// How long until the answer must be made.
    #[must_use]
    pub fn left(self) -> Duration {
        self.answer_by().saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impatient_caller_is_answered_sooner_and_the_job_keeps_its_time() {
        let whole = Budget::start(MAX_WAIT);
        let short = whole.with_patience(Duration::from_secs(1));
        assert_eq!(
            whole.answer_by() - short.answer_by(),
            MAX_WAIT - Duration::from_secs(1)
        );
        assert!(short.job_left() > Duration::from_secs(3));
        assert!(short.job_deadline().remaining() > Duration::from_secs(3));
        let more = whole.with_patience(2 * MAX_WAIT);
        assert_eq!(more.answer_by(), whole.answer_by());
    }
}
