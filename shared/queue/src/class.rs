//! The two classes of jobs, by whether a caller waits for the reply.
//!
//! Each has a queue of its own.

use std::num::NonZeroU16;

/// Which queue a job waits in. [`ApiQueue::submit`](crate::ApiQueue::submit) and
/// [`ApiQueue::submit_unattended`](crate::ApiQueue::submit_unattended) choose it, since
/// they differ in what their caller gets.
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
}

/// How many unsettled interactive deliveries a worker holds: its execution slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch(pub NonZeroU16);

impl Prefetch {
    /// The most unsettled deliveries of that class. As many of the unattended ones as there are
    /// slots, which they have while no caller comes. The worker decides when it begins them.
    #[must_use]
    pub fn of(self, class: JobClass) -> u16 {
        match class {
            JobClass::Interactive | JobClass::Unattended => self.0.get(),
        }
    }

    /// How many unsettled deliveries altogether, with one suspect's turn.
    pub(crate) fn total(self) -> usize {
        let held = JobClass::ALL.map(|class| usize::from(self.of(class)));
        held.into_iter().sum::<usize>() + 1
    }
}
