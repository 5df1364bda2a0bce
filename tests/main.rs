//! Warren's system tests.
//!
//! The rules of the workspace, one conformance suite for each seam, and the whole from end to end, on
//! real services that `scripts/provision test` starts.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and standard error is where it says why"
)]

mod architecture;
mod chaos;
mod conformance;
mod containment;
mod end_to_end;
mod harness;
mod kit;
mod observability;
mod verdicts;
