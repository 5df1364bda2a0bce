//! Tests of recycled network namespaces against the running kernel. Need root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in tests a panic is how a test fails"
)]

mod cost;
mod place;
mod recycling;
mod uses;
