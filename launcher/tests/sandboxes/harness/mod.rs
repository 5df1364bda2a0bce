//! A launcher with the real runner, as a worker has it.

mod groups;
pub(crate) mod host;
mod launcher;
mod root;
mod sandbox;
mod socket;

pub(crate) use launcher::Launcher;
pub(crate) use root::{python, static_runner};
