//! Sandboxes of a real launcher, with the real runner on a root file system of Python.
//!
//! They run as root, since only root can start both kinds of launcher without a set-up of the host.

mod containment;
mod endings;
mod failures;
mod harness;
mod ordinary;

/// Both kinds of launchers.
const RIGHTS: [&str; 2] = ["root", "rootless"];
