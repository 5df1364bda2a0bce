//! The two classes of jobs, by whether a caller waits for the reply.
//!
//! Each has a queue of its own.

use std::num::NonZeroU16;

use warren_protocol::reply::{MAX_TRIES, MAX_UNATTENDED_TRIES};

/// The most jobs of one class that wait; one more is refused
/// ([`SubmitError::Full`](crate::SubmitError::Full)).
pub const MAX_QUEUED_JOBS: u32 = 10_000;

/// The class of a job, which decides the queue that it waits in.
/// [`ApiQueue::submit`](crate::ApiQueue::submit) and
/// [`ApiQueue::submit_unattended`](crate::ApiQueue::submit_unattended) choose it, since they differ
/// in what their caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobClass {
    /// A caller waits, and notices any loss by the end of its wait or of its deadline. So the job need
    /// not survive the broker, and pays for no disk.
    Interactive,
    /// No caller waits, so a loss would go unnoticed: the job is on disk before it is accepted.
    Unattended,
}

impl JobClass {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Interactive, Self::Unattended];

    /// Returns the maximum number of attempts at a job of this class.
    #[must_use]
    pub const fn max_tries(self) -> u32 {
        match self {
            Self::Interactive => MAX_TRIES,
            Self::Unattended => MAX_UNATTENDED_TRIES,
        }
    }
}

/// The number of lanes in which unattended jobs wait, so that no flood is ahead of all others. Each lane costs a queue, a channel of each worker, and the jobs
/// that it has fetched.
pub(crate) const LANE_COUNT: usize = 8;

/// The number of unsettled deliveries that a worker holds of each queue of jobs: as many as it has
/// slots. Unattended jobs may have all slots while no caller comes. The worker decides when it
/// begins those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch(pub NonZeroU16);

impl Prefetch {
    /// Returns the most deliveries that a worker holds: of interactive jobs, of each lane of
    /// unattended ones, and one suspect's token.
    pub(crate) fn total(self) -> usize {
        usize::from(self.0.get()) * (1 + LANE_COUNT) + 1
    }
}
