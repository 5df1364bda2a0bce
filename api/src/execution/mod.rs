//! Execution of jobs: from a request's body to a job's outcome.

pub(crate) mod admission;
pub(crate) mod attended;
pub(crate) mod dispatch;
pub(crate) mod idempotency;
pub(crate) mod intake;
pub(crate) mod overloaded;
pub(crate) mod preference;
pub(crate) mod trace_context;
pub(crate) mod unattended;

/// Whether a job was taken by something that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It was.
    Taken,
    /// It was certainly not, and will never run.
    CertainlyNot,
    /// It may have been.
    Perhaps,
}
