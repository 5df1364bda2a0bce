//! The native engine's launcher: makes sandboxes for one worker.
//!
//! `warren launcher` runs it, as a process of its own with one thread, no network and no secrets. It
//! knows roots, limits and processes, and nothing of jobs, the broker or HTTP.

pub mod cgroup;
pub mod network;
pub mod wire;
