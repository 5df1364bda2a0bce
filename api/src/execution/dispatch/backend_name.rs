//! Names of the backends.

use std::fmt;

/// The name of a backend in answers, health and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackendName {
    /// The queue.
    Queue,
    /// `EXECUTOR_URL`.
    Executor,
    /// `JUDGE0_URL`.
    Judge0,
}

impl BackendName {
    /// Returns the name as it is in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Executor => "executor",
            Self::Judge0 => "judge0",
        }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
