//! Starts containers as the worker's engine does, and speaks with PID 1.

mod build;
mod container;
mod image;
mod job;

pub(crate) use build::static_runner;
pub(crate) use container::Container;
pub(crate) use image::Image;
pub(crate) use job::{Job, javascript, python};
