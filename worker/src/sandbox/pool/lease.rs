//! A container that is leased to one job.

use warren_languages::Language;
use warren_runner::wire::Start;

use super::language_pool::{Interpreter, Parked};
use crate::engine::core::Occupied;
use crate::sandbox::conversation::Conversation;

/// A container that one job has for itself. Dropping it removes the container immediately;
/// [`Pool::dismiss`](super::Pool::dismiss) does so at a quiet moment.
pub(crate) struct Lease {
    /// The conversation with PID 1 in it.
    pub(crate) conversation: Conversation,
    pub(super) origin: Origin,
    #[expect(dead_code, reason = "held for its drop")]
    occupied: Occupied,
}

/// The origin of a job's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was parked.
    Parked(Interpreter),
    /// It was started for the job.
    Cold,
}

impl Lease {
    /// Leases a parked container.
    pub(super) fn of(parked: Parked) -> Self {
        Self::new(parked.conversation, Origin::Parked(parked.interpreter))
    }

    /// Leases a container that was started for the job.
    pub(super) fn cold(conversation: Conversation) -> Self {
        Self::new(conversation, Origin::Cold)
    }

    fn new(conversation: Conversation, origin: Origin) -> Self {
        Self {
            occupied: conversation.core().occupy(),
            conversation,
            origin,
        }
    }

    /// Chooses the interpreter for this program.
    #[must_use]
    pub(crate) fn start(&self, language: &Language, code: &str) -> Start {
        if self.origin == Origin::Parked(Interpreter::Parked) && language.parked_reads(code) {
            Start::Parked
        } else {
            Start::Fresh
        }
    }

    /// Returns whether it was parked and the job was not handed over: then another container may have
    /// the job.
    #[must_use]
    pub(crate) fn is_unused(&self) -> bool {
        self.origin != Origin::Cold && self.conversation.awaited().is_none()
    }
}
