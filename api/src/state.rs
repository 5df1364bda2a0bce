//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warren_shared::languages::{Languages, PolicyMode};
use warren_shared::telemetry::Environment;

use crate::admission::{Admission, InFlight};
use crate::callbacks::Callbacks;
use crate::dispatch::Dispatch;
use crate::guard::Gate;
use crate::health::Health;
use crate::metrics::{Metrics, Requests};
use crate::store::{Recorder, Store};

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
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
    /// Lets requests in.
    pub(crate) gate: Arc<Gate>,
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) metrics: Metrics,
    pub(crate) requests: Requests,
}
