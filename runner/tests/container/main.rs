//! Tests the real runner as PID 1 of real containers, in its wire format.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in tests a panic is how a test fails"
)]

mod clocks;
mod confinement;
mod differential;
mod endings;
mod exactness;
mod harness;
mod hostile;
mod limits;
mod ordinary;
mod pace;
mod parking;
mod posture;
mod protocol;
mod verdicts;
