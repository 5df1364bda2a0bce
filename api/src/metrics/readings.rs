//! Metrics that are read from their owner on every scrape.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// One metric with one label. Absent while it has no values.
pub(crate) struct Readings<F> {
    /// The name without `warren_api_`, and without a counter's `_total`.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The label's name.
    pub(crate) label: &'static str,
    /// A function that returns the label's values, each with its number.
    pub(crate) read: F,
}

/// One metric without labels. Absent while it has no value.
pub(super) struct Reading<F> {
    /// The name without `warren_api_`, and without a counter's `_total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// A function that returns the value.
    pub(super) read: F,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Seconds(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number.try_into().unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(is_so: bool) -> Self {
        Self::Whole(is_so.into())
    }
}

impl From<Duration> for Number {
    fn from(span: Duration) -> Self {
        Self::Seconds(span.as_secs_f64())
    }
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
        }
    }
}

impl<F> fmt::Debug for Readings<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Reading<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F, L> Collector for Readings<F>
where
    F: Fn() -> Vec<(L, u64)> + Send + Sync + 'static,
    L: AsRef<str>,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let values = (self.read)();
        if values.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(self.name, self.help, None, self.kind.into())?;
        for (value, number) in values {
            let label = [(self.label, value.as_ref())];
            let metric = family.encode_family(&label)?;
            match self.kind {
                Kind::Counter => ConstCounter::new(number).encode(metric)?,
                Kind::Gauge => ConstGauge::new(number).encode(metric)?,
            }
        }
        Ok(())
    }
}

impl<F> Collector for Reading<F>
where
    F: Fn() -> Option<Number> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(number) = (self.read)() else {
            return Ok(());
        };
        let metric = encoder.encode_descriptor(self.name, self.help, None, self.kind.into())?;
        match (self.kind, number) {
            (Kind::Counter, Number::Whole(number)) => ConstCounter::new(number).encode(metric),
            (Kind::Counter, Number::Seconds(number)) => ConstCounter::new(number).encode(metric),
            (Kind::Gauge, Number::Whole(number)) => ConstGauge::new(number).encode(metric),
            (Kind::Gauge, Number::Seconds(number)) => ConstGauge::new(number).encode(metric),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_reading_has_its_label() {
        let metrics = Metrics::new();
        metrics.register_collector(Readings {
            name: "callbacks",
            help: "Callbacks by what became of them",
            kind: Kind::Counter,
            label: "result",
            read: || vec![("posted", 7), ("failed", 0)],
        });
        let text = metrics.text();
        for line in [
            "# TYPE warren_api_callbacks counter\n",
            "warren_api_callbacks_total{result=\"posted\"} 7\n",
            "warren_api_callbacks_total{result=\"failed\"} 0\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_metric_without_a_value_is_absent() {
        let metrics = Metrics::new();
        metrics.register_gauge("whole", "A whole number", || Some(3_usize));
        metrics.register_gauge("span", "A span", || Some(Duration::from_millis(1_500)));
        metrics.register_counter("lost", "A counter", || 4);
        metrics.register_gauge("unknown", "Nothing yet", || None::<u64>);
        let none = || Vec::<(String, u64)>::new();
        metrics.register_collector(Readings {
            name: "services",
            help: "Nothing yet",
            kind: Kind::Gauge,
            label: "service",
            read: none,
        });
        let text = metrics.text();
        for line in [
            "# TYPE warren_api_whole gauge\nwarren_api_whole 3\n",
            "warren_api_span 1.5\n",
            "warren_api_lost_total 4\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(
            !text.contains("unknown") && !text.contains("services"),
            "{text}"
        );
    }
}
