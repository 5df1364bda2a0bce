//! A container in one job's hands.

use warren_languages::Language;
use warren_runner::wire::Start;

use super::language_pool::{Interpreter, Parked};
use crate::sandbox::conversation::Conversation;

/// A container that one job has for itself. Dropping it removes the container at once;
/// [`Pool::dismiss`](super::Pool::dismiss) does so when nobody is in the way.
pub struct Lease {
    /// To speak with PID 1 in it.
    pub conversation: Conversation,
    pub(super) origin: Origin,
}

/// Where a job's container comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was parked.
    Parked(Interpreter),
    /// It was started for the job.
    Cold,
}

impl Lease {
    /// A parked one, leased.
    pub(super) fn of(parked: Parked) -> Self {
        Self {
            conversation: parked.conversation,
            origin: Origin::Parked(parked.interpreter),
        }
    }

    /// Which interpreter this program gets.
    #[must_use]
    pub fn start(&self, language: &Language, code: &str) -> Start {
        if self.origin == Origin::Parked(Interpreter::Parked) && language.parked_reads(code) {
            Start::Parked
        } else {
            Start::Fresh
        }
    }

    /// Whether it was parked and the job has not been let into it: another one may have the job.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.origin != Origin::Cold && !self.conversation.was_handed_over()
    }
}
