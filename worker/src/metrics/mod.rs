//! The worker's metrics, for Prometheus. Labels have few values, none of them a caller's.

mod gauges;
mod jobs;

pub(crate) use gauges::Gauges;
pub(crate) use jobs::{JobMetrics, RetryCause};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a worker.
pub(crate) struct Metrics {
    registry: Registry,
    jobs: JobMetrics,
}

impl Metrics {
    /// Metrics of a worker that has done nothing yet.
    pub(crate) fn new(gauges: Gauges) -> Self {
        let mut registry = Registry::with_prefix("warren_worker");
        let jobs = JobMetrics::new(&mut registry);
        registry.register_collector(Box::new(gauges));
        Self { registry, jobs }
    }

    /// Returns the counters of jobs.
    pub(crate) fn jobs(&self) -> JobMetrics {
        self.jobs.clone()
    }

    /// Encodes all metrics as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; a refusal by the encoder would be a bug here.
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "failed to encode metrics; this scrape is incomplete");
        }
        text
    }
}
