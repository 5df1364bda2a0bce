//! Tests of sandboxes' control groups against the running kernel, of either version. Need root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in tests a panic is how a test fails"
)]
#![expect(
    unsafe_code,
    reason = "forking and joining a group before an exec have no safe interface"
)]

mod cost;
mod life;
mod limits;
mod own;
mod process;
mod refusal;
mod rootless;
mod sweep;
mod view;
mod world;
