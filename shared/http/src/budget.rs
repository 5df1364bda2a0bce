//! The time budget of one request: one deadline for all its waits.

use std::time::Duration;

use tokio::time::Instant;
use warren_protocol::time::Deadline;

/// The longest that a caller waits, which the contract fixes.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// The shortest wait that can be configured; a shorter one leaves no time for a run.
pub const MIN_WAIT: Duration = Duration::from_millis(500);
/// The longest that a request body may take to arrive, so that time is left for the run.
pub const BODY_TIME: Duration = Duration::from_secs(2);
/// The part of the wait that is reserved for sending the answer. When hundreds of waits ended
/// together, two busy cores took 130 ms to answer them.
pub const ANSWER_RESERVE: Duration = Duration::from_millis(200);
/// The further part that is reserved before the job's deadline, so that a last-moment reply arrives.
pub const REPLY_RESERVE: Duration = Duration::from_millis(75);

/// The time budget of one request, which begins with the request. `warren_protocol::time` describes
/// it beside Warren's other times.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    start: Instant,
    wait: Duration,
    patience: Duration,
}

impl Budget {
    /// Starts the budget of a request that begins now.
    #[must_use]
    pub fn start(wait: Duration) -> Self {
        Self {
            start: Instant::now(),
            wait,
            patience: wait,
        }
    }

    /// Shortens the budget for a caller who waits no longer than `patience`. The job keeps its time,
    /// because its result can be read later.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self {
            patience: patience.min(self.wait),
            ..self
        }
    }

    /// Returns the time by which the body must have arrived.
    #[must_use]
    pub fn body_by(self) -> Instant {
        self.start + BODY_TIME.min(self.wait / 2)
    }

    /// Returns the time by which the answer must be ready.
    #[must_use]
    pub fn answer_by(self) -> Instant {
        self.start + self.patience.saturating_sub(ANSWER_RESERVE)
    }

    /// Returns the job's deadline.
    #[must_use]
    pub fn job_deadline(self) -> Deadline {
        Deadline::after(self.job_left().saturating_sub(REPLY_RESERVE))
    }

    /// Returns the time left until the answer to the most patient caller must be ready.
    #[must_use]
    pub fn job_left(self) -> Duration {
        let end = self.start + self.wait.saturating_sub(ANSWER_RESERVE);
        end.saturating_duration_since(Instant::now())
    }

    /// Returns the time left until the answer must be ready.
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
