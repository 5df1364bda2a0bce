//! Picks the implementation behind each seam from the configuration. Nothing else knows which is
//! in use.

use std::sync::Arc;
use std::time::Duration;

use warren_api::store::Store;
use warren_shared::ids::InstanceId;
use warren_shared::queue::JobQueue;
use warren_worker::engine::Engine;
use warren_worker::engine::docker::{DockerConfig, DockerEngine};

use crate::serve::Roles;
use crate::settings::Settings;

/// One role's end of the queue.
pub struct Queue {
    /// The queue.
    pub handle: Arc<dyn JobQueue>,
    /// What health and logs call it.
    pub name: &'static str,
    /// Whose end it is.
    pub instance: InstanceId,
}

/// The ends of the queue that this process holds.
pub struct Queues {
    /// The API's, if this process is one.
    pub api: Option<Queue>,
    /// The worker's, if this process is one.
    pub worker: Option<Queue>,
}
