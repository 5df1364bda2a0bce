//! Imports whole roots into temporary directories, from archives made here. Needs no service.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails; clippy.toml's allowance covers test functions, not what they call"
)]

mod checked;
mod harness;
mod hostile;
mod image;
mod images;
mod properties;
mod replaced;
mod usual;
