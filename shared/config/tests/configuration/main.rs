//! Holds the documents, the deployments and the sources to the list of variables. Needs no service.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails; clippy.toml's allowance covers test functions, not what they call"
)]

mod deployments;
mod documents;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the path of a file of the project.
fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(of)
}

/// Returns the text of a file of the project.
fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
