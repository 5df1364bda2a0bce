//! Figures that somebody counts for itself, told under one name with one label.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use warren_protocol::presence::{WorkerState, WorkerStatus};

/// One metric, read when it is asked for. For [`Metrics::add`](super::Metrics::add).
pub(crate) struct Figures<F> {
    /// Without `warren_api_`, and without a counter's `_total`.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The label's name.
    pub(crate) label: &'static str,
    /// The label's values, each with its figure.
    pub(crate) read: F,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    /// It is as it is now.
    Gauge,
}

impl<F> fmt::Debug for Figures<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F> Collector for Figures<F>
where
    F: Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (value, figure) in (self.read)() {
            let label = [(self.label, value)];
            let metric = family.encode_family(&label)?;
            match self.kind {
                Kind::Counter => ConstCounter::new(figure).encode(metric)?,
                Kind::Gauge => ConstGauge::new(figure).encode(metric)?,
            }
        }
        Ok(())
    }
}

/// How many workers are in each state.
pub(super) fn by_state(workers: &[WorkerStatus]) -> Vec<(&'static str, u64)> {
    let (mut ready, mut suspended, mut draining) = (0, 0, 0);
    for worker in workers {
        match worker.state {
            WorkerState::Ready => ready += 1,
            WorkerState::Suspended { .. } => suspended += 1,
            WorkerState::Draining => draining += 1,
        }
    }
    vec![
        ("ready", ready),
        ("suspended", suspended),
        ("draining", draining),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_figure_is_told_with_its_label() {
        let metrics = Metrics::new();
        metrics.add(Figures {
            name: "callbacks",
            help: "Callbacks by what became of them",
            kind: Kind::Counter,
            label: "result",
            read: || vec![("posted", 7), ("failed", 0)],
        });
        let told = metrics.text();
        for line in [
            "# TYPE warren_api_callbacks counter\n",
            "warren_api_callbacks_total{result=\"posted\"} 7\n",
            "warren_api_callbacks_total{result=\"failed\"} 0\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
    }
}
