//! Starts containers as the worker's engine does, and speaks with PID 1.

mod at_once;
mod build;
mod container;
mod engine;
mod image;
mod job;
mod permits;
mod plain;
mod programs;

pub(crate) use at_once::at_once;
pub(crate) use build::static_runner;
pub(crate) use container::Container;
pub(crate) use engine::{Deviation, internet_sockets};
pub(crate) use image::Image;
pub(crate) use job::{Job, javascript, python};
pub(crate) use plain::{Plain, Seen, run_plainly};
pub(crate) use programs::programs;
