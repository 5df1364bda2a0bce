//! What the API has done and how it is, for Prometheus. Labels have few values, each of them ours:
//! never a room, a key, a job or a path.

mod figures;
mod parts;
mod present;
mod requests;

use figures::{Figures, Kind, by_state};
pub(crate) use present::Present;
pub(crate) use requests::{Requests, count};

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Metric, Registry};

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From what costs next to nothing to the whole of a caller's wait, in seconds.
pub(crate) const DURATIONS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.5, 3.5, 5.0,
];

/// All metrics of this API. Cheap to clone. Whatever has figures of its own registers them, once,
/// when the API is put together:
///
/// ```text
/// let lost = metrics.register("lost", "How many were lost", Counter::default());
/// metrics.add(Figures { name: "callbacks", help: "…", kind: Kind::Counter, label: "result", read });
/// ```
#[derive(Clone)]
pub(crate) struct Metrics(Arc<RwLock<Registry>>);

impl Metrics {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(RwLock::new(Registry::with_prefix("warren_api"))))
    }

    /// Tells `metric` as `warren_api_NAME`, and hands it back to be counted with. A counter's name
    /// gets its `_total` by itself.
    pub(crate) fn register<M: Metric + Clone>(
        &self,
        name: &'static str,
        help: &'static str,
        metric: M,
    ) -> M {
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registry.register(name, help, metric.clone());
        metric
    }

    /// Tells what `collector` says whenever it is asked.
    pub(crate) fn add(&self, collector: impl Collector) {
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    /// All of it, as [`CONTENT_TYPE`].
    pub(crate) fn text(&self) -> String {
        let registry = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // A string does not fail; what the encoder refuses would be a bug here.
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "the metrics cannot be told");
        }
        text
    }
}
