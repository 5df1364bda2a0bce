//! Execution of jobs: from a request's body to a job's outcome.

pub(crate) mod admission;
pub(crate) mod attended;
pub(crate) mod dispatch;
pub(crate) mod idempotency;
pub(crate) mod intake;
pub(crate) mod open_jobs;
pub(crate) mod overloaded;
pub(crate) mod preference;
pub(crate) mod trace_context;
pub(crate) mod unattended;

/// The acceptance of a job by a backend, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It was taken.
    Taken,
    /// It was certainly not taken, and will never run.
    CertainlyNot,
    /// It may have been taken.
    Perhaps,
}
