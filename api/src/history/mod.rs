//! History of executions: recording them, following them, and showing them to callers.

pub(crate) mod follow;
mod outcome_metrics;
mod recorder;
pub(crate) mod watch;
mod write_buffer;

pub use recorder::{Backlog, RECORD_BUFFER, RECORD_BUFFER_BYTES, Recorder, Written};
