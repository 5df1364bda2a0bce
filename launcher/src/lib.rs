//! The native engine's launcher: makes sandboxes for one worker.
//!
//! `warren launcher` runs it, as a process of its own with one thread, no network and no secrets. It
//! knows roots, limits and processes, and nothing of jobs, the broker or HTTP.

mod arguments;
pub mod cgroup;
pub mod confine;
pub mod error;
mod launcher;
mod log;
pub mod network;
mod sandbox;
pub mod seccomp;
mod socket;
mod spawn;
mod sys;
mod template;
mod userns;
pub mod users;
pub mod wire;

pub use arguments::{Arguments, NetworkMode, RightsMode, Root};
pub use error::Error;
pub use launcher::launcher;
pub use spawn::{CONTROL, spawn};
