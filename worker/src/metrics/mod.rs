//! What the worker has done and how it is, for Prometheus. Labels have few values, each of them ours.

mod jobs;
mod present;

pub(crate) use jobs::Again;
pub use jobs::JobMetrics;
pub(crate) use present::Present;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a worker.
pub struct Metrics {
    registry: Registry,
    jobs: JobMetrics,
}

impl Metrics {
    /// Nothing done yet.
    #[must_use]
    pub(crate) fn new(present: Present) -> Self {
        let mut registry = Registry::with_prefix("warren_worker");
        let jobs = JobMetrics::new(&mut registry);
        registry.register_collector(Box::new(present));
        Self { registry, jobs }
    }

    /// Where jobs are counted.
    #[must_use]
    pub fn jobs(&self) -> JobMetrics {
        self.jobs.clone()
    }

    /// Everything, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; what the encoder refuses would be a bug here.
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be told");
        }
        text
    }
}
