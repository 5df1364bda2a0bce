//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use warren_languages::{Languages, PolicyMode};
use warren_queue::ApiQueue;
use warren_telemetry::Environment;

use crate::admission::{Admission, InFlight};
use crate::callbacks::Callbacks;
use crate::dispatch::Dispatch;
use crate::guard::Gate;
use crate::health::Health;
use crate::metrics::{Metrics, Requests};
use crate::store::{Recorder, Store};
use crate::watch::Watch;

/// What all requests share.
pub(crate) struct AppState {
    pub(crate) environment: Environment,
    pub(crate) languages: Languages,
    pub(crate) policy: PolicyMode,
    pub(crate) wait: Duration,
    /// One permit for each request for execution.
    pub(crate) in_flight: InFlight,
    pub(crate) admission: Arc<Admission>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) health: Health,
    /// Where jobs go that nobody waits for.
    pub(crate) queue: Arc<dyn ApiQueue>,
    /// The longest that such a job waits.
    pub(crate) async_max_wait: Duration,
    pub(crate) places: Places,
    pub(crate) watch: Arc<Watch>,
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
    /// Lets requests in.
    pub(crate) gate: Arc<Gate>,
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) metrics: Metrics,
    pub(crate) requests: Requests,
}

/// The most requests under way of those whose callers do not wait for the result: a place is held
/// for as long as it takes to read and to queue what was sent.
const UNATTENDED: usize = 64;
/// The most batches under way. Each may hold `MAX_BATCH_BODY`.
const BATCHES: usize = 8;

/// Places for requests whose callers do not wait for the result.
pub(crate) struct Places {
    pub(crate) unattended: Semaphore,
    pub(crate) batches: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            unattended: Semaphore::new(UNATTENDED),
            batches: Semaphore::new(BATCHES),
        }
    }
}
