//! Sandboxes of a real launcher, with the real runner and Python's root file system.
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

#[test]
#[ignore = "no test, but scripts/cgroup2/launcher's way to the root file system"]
fn the_root_is_made() {
    eprintln!("{}", harness::python().display());
}

/// Both kinds of launchers.
const RIGHTS: [&str; 2] = ["root", "rootless"];
