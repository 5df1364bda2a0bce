//! History of executions: recording them, following them, and showing them to callers.

mod allowance;
mod callback_sink;
pub(crate) mod follow;
mod outcome_metrics;
mod progress;
mod reader;
mod recorder;
pub(crate) mod view;
pub(crate) mod watch;
mod write_buffer;

pub(crate) use callback_sink::CallbackSink;
pub use progress::{Backlog, Written};
pub(crate) use reader::HistoryReader;
pub use recorder::{RECORD_BUFFER, RECORD_BUFFER_BYTES, Recorder};
