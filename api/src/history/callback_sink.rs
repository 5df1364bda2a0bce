//! Seam between the recorder and the callbacks that follow a record.

use warren_queue::Callback;

/// A destination of callbacks for executions that have been recorded.
pub(crate) trait CallbackSink: Send + Sync + 'static {
    /// Takes a callback over without waiting. Calls `queued` once the callback is queued or given up
    /// because the queue is full; drops it if the queue cannot be reached.
    fn send(&self, callback: Callback, queued: Box<dyn FnOnce() + Send>);
}
