//! The launcher's confinement of itself, seen from outside and tried from inside.
//!
//! Run as root: each test is for the host's root, and for root in a user namespace.

#![expect(
    unsafe_code,
    reason = "forked children, and system calls that no safe interface would make"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in tests a panic is how a test fails"
)]

mod child;
mod needs;
mod roles;
