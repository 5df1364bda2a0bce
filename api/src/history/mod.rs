//! History of executions: recording them, following them, and showing them to callers.

pub(crate) mod follow;
mod outcome_metrics;
mod reader;
mod recorder;
pub(crate) mod view;
pub(crate) mod watch;
mod write_buffer;

pub(crate) use reader::HistoryReader;
pub(crate) use recorder::CallbackSink;
pub use recorder::{Backlog, RECORD_BUFFER, RECORD_BUFFER_BYTES, Recorder, Written};
