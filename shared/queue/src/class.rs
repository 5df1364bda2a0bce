//! The two classes of jobs, by who waits for their reply. Each has a queue of its own.

use std::num::NonZeroU16;

use crate::rabbit::lanes::LANES;

/// Which queue a job waits in. [`ApiQueue::submit`](crate::ApiQueue::submit) and
/// [`ApiQueue::submit_unattended`](crate::ApiQueue::submit_unattended) choose it, since
/// they differ in what their caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobClass {
    /// A caller waits, and is told of any loss by the end of its wait or of its deadline. So the
    /// job need not survive the broker, and pays for no disk.
    Interactive,
    /// Nobody waits, so nobody would notice a loss: the job is on disk before it is accepted.
    Unattended,
}

impl JobClass {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Interactive, Self::Unattended];
}

/// How many unsettled deliveries a worker holds of each queue of jobs: as many as it has slots, which
/// unattended jobs may have while no caller comes. The worker decides when it begins those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch(pub NonZeroU16);

impl Prefetch {
    /// The deliveries that a worker holds at most: of interactive jobs, of each lane of unattended
    /// ones, and one suspect's token.
    pub(crate) fn total(self) -> usize {
        usize::from(self.0.get()) * (1 + LANES.len()) + 1
    }
}
