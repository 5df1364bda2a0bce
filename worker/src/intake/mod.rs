//! Takes jobs: from the queue, and over the worker's own HTTP.

mod access;
mod http;
mod job_intake;
mod settle;
mod unattended;

pub use access::Access;
pub(crate) use http::{Context, PROBES, router};
pub(crate) use job_intake::JobIntake;
pub(crate) use settle::{Replies, Settler};
pub use unattended::Share;
pub(crate) use unattended::UnattendedScheduler;
