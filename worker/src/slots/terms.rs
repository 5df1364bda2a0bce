//! The terms on which a job has a slot.

use super::activity::Taken;

/// The terms on which a job has its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// A caller waits for the job.
    Attended,
    /// The job is unattended, and its turn has come.
    Due,
    /// The job is unattended, and no other job needs the slot.
    Lent,
    /// It is for a further run of a job that a caller waits for, and no other job needed it when that
    /// run began.
    Borrowed,
}

impl Terms {
    /// Returns the count of slots of these terms; `None` if they are counted with all alone.
    pub(super) fn counted(self, taken: &mut Taken) -> Option<&mut usize> {
        match self {
            Self::Attended => None,
            Self::Due | Self::Lent => Some(&mut taken.unattended),
            Self::Borrowed => Some(&mut taken.borrowed),
        }
    }
}
