//! Sandboxes of a real launcher, with the real runner on a root file system of Python.
//!
//! They run as root, since only root can start both kinds of launcher without a set-up of the host.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in tests a panic is how a test fails"
)]

mod containment;
mod cost;
mod endings;
mod failures;
mod harness;
mod ordinary;

/// Both kinds of launchers.
const RIGHTS: [&str; 2] = ["root", "rootless"];
