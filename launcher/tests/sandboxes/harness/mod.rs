//! A launcher with the real runner, as a worker has it.

#[path = "../../../../runner/tests/container/harness/build.rs"]
mod build;
mod groups;
pub(crate) mod host;
mod launcher;
mod root;
mod sandbox;
mod socket;

pub(crate) use launcher::Launcher;
pub(crate) use root::{python, static_runner};
