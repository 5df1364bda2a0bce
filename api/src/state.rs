//! State that all requests share: built by `api`, read by the routes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use warren_queue::ApiQueue;

use crate::access::middleware::Access;
use crate::execution::attended::AttendedJobs;
use crate::execution::idempotency::Idempotency;
use crate::execution::intake::Intake;
use crate::execution::unattended::UnattendedJobs;
use crate::health::Health;
use crate::history::HistoryReader;
use crate::history::watch::Watch;
use crate::metrics::{Metrics, RequestCounters};
use crate::store::Store;

/// The state that all requests share.
pub(crate) struct AppState {
    /// The longest that a caller waits.
    pub(crate) wait: Duration,
    pub(crate) permits: RequestPermits,
    pub(crate) intake: Intake,
    pub(crate) attended: AttendedJobs,
    pub(crate) unattended: UnattendedJobs,
    pub(crate) idempotency: Idempotency,
    pub(crate) history: Arc<HistoryReader>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn ApiQueue>,
    pub(crate) health: Arc<Health>,
    pub(crate) access: Arc<Access>,
    pub(crate) metrics: Metrics,
    pub(crate) requests: RequestCounters,
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
}

/// The most requests under way whose callers do not wait for the result. Each holds a permit while
/// its body is read and queued.
const UNATTENDED: usize = 64;
/// The most batches under way. Each may hold `MAX_BATCH_BODY`.
const BATCHES: usize = 8;

/// Permits for requests whose callers do not wait for the result.
pub(crate) struct RequestPermits {
    pub(crate) unattended: Semaphore,
    pub(crate) batches: Semaphore,
}

impl Default for RequestPermits {
    fn default() -> Self {
        Self {
            unattended: Semaphore::new(UNATTENDED),
            batches: Semaphore::new(BATCHES),
        }
    }
}
