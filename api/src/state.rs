//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warren_shared::languages::{Languages, PolicyMode};
use warren_shared::telemetry::Environment;

use crate::admission::{Admission, InFlight};
use crate::dispatch::Dispatch;
use crate::health::Health;
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
    pub(crate) dispatch: Dispatch,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) health: Health,
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
}
