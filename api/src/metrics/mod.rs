//! The API's metrics for Prometheus.
//!
//! Labels have few values, each of them chosen by Warren: never a room, a key, a job or a path.

mod readings;
mod requests;

use readings::Reading;
pub(crate) use readings::{Kind, Number, Readings};
pub(crate) use requests::{RequestCounters, count};

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Metric, Registry};

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets of durations in seconds, from almost nothing to a caller's whole wait.
pub(crate) const DURATIONS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.5, 3.5, 5.0,
];

/// All metrics of this API. Cheap to clone. Each part of the API registers its own metrics once,
/// when the API is built:
///
/// ```text
/// let lost = metrics.register("lost", "How many were lost", Counter::default());
/// metrics.register_gauge("waiting", "How many wait", || Some(queue.len()));
/// ```
#[derive(Clone)]
pub(crate) struct Metrics(Arc<RwLock<Registry>>);

impl Metrics {
    /// Begins without metrics.
    pub(crate) fn new() -> Self {
        Self(Arc::new(RwLock::new(Registry::with_prefix("warren_api"))))
    }

    /// Registers `metric` as `warren_api_NAME`, and returns it so that the caller can update it. A
    /// counter's name gets its `_total` automatically.
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

    /// Registers a gauge whose value is read on every scrape; absent while it has no value.
    pub(crate) fn register_gauge<N: Into<Number>>(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Option<N> + Send + Sync + 'static,
    ) {
        self.register_collector(Reading {
            name,
            help,
            kind: Kind::Gauge,
            read: move || read().map(Into::into),
        });
    }

    /// Registers a counter whose value is read on every scrape.
    pub(crate) fn register_counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.register_collector(Reading {
            name,
            help,
            kind: Kind::Counter,
            read: move || Some(read().into()),
        });
    }

    /// Registers `collector`, which is read on every scrape.
    pub(crate) fn register_collector(&self, collector: impl Collector) {
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    /// Returns all metrics, as [`CONTENT_TYPE`].
    pub(crate) fn text(&self) -> String {
        let registry = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string cannot fail, so an error is a bug in the metrics themselves.
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "failed to encode the metrics");
        }
        text
    }
}
