//! The roles of a process: API, worker, or both.

/// The roles of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// API and worker in one.
    Both,
    /// The REST API.
    Api,
    /// A worker.
    Worker,
}

impl Roles {
    /// Returns true if this process is an API.
    pub fn api(self) -> bool {
        self != Self::Worker
    }

    /// Returns true if this process is a worker.
    pub fn worker(self) -> bool {
        self != Self::Api
    }
}
