//! Gauges that are read from the worker's parts at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use warren_protocol::health::PoolHealth;

use super::jobs::LanguageLabel;
use crate::engine::Engine;
use crate::readiness::{EngineState, Readiness, ReadinessState};
use crate::sandbox::Pool;
use crate::slots::Slots;

/// The parts that are read at each scrape.
pub(crate) struct Gauges {
    pub(crate) pool: Pool,
    pub(crate) slots: Slots,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) readiness: Readiness,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// A state's label and its test.
type Named = (&'static str, fn(&ReadinessState) -> bool);

const STATES: [Named; 4] = [
    ("starting", |state| *state == ReadinessState::Starting),
    ("ready", |state| *state == ReadinessState::Ready),
    ("suspended", |state| {
        matches!(state, ReadinessState::Suspended(_))
    }),
    ("draining", |state| *state == ReadinessState::Draining),
];

impl Gauges {
    fn condition(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.readiness.now();
        let help = "1 for the state that the worker is in: it takes jobs while it is ready";
        let mut family = encoder.encode_descriptor("state", help, None, MetricType::Gauge)?;
        for (name, is_so) in STATES {
            let label = StateLabel { state: name };
            let metric = family.encode_family(&label)?;
            ConstGauge::new(u64::from(is_so(&now))).encode(metric)?;
        }
        let help = "1 if canaries of the language fail, so that its jobs are refused";
        let faults = self.readiness.faults();
        let mut family =
            encoder.encode_descriptor("language_failing", help, None, MetricType::Gauge)?;
        for (language, _health) in self.pool.report() {
            let failing = faults.keys().any(|name| name.as_str() == language);
            let label = LanguageLabel { language };
            let metric = family.encode_family(&label)?;
            ConstGauge::new(u64::from(failing)).encode(metric)?;
        }
        let (up, latency) = match self.readiness.engine_state() {
            EngineState::Answering { latency, .. } => (1_u64, Some(latency)),
            EngineState::Unknown | EngineState::Silent(_) => (0, None),
        };
        let help = "1 if the container engine answered when it was asked last";
        let metric = encoder.encode_descriptor("engine_up", help, None, MetricType::Gauge)?;
        ConstGauge::new(up).encode(metric)?;
        if let Some(latency) = latency {
            let help = "How long it took to";
            let name = "engine_latency_seconds";
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(latency.as_secs_f64()).encode(metric)?;
        }
        let help = "Containers that could not be removed so far";
        let name = "containers_quarantined";
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(whole(self.engine.quarantined())).encode(metric)
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.condition(&mut encoder)?;
        let slots = usize::from(self.slots.count().get());
        for (name, help, value) in [
            ("slots", "Jobs that can run at a time", slots),
            ("slots_free", "Slots that no job has", self.slots.free()),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(whole(value)).encode(metric)?;
        }
        let pool: Vec<(LanguageLabel, PoolHealth)> = self
            .pool
            .report()
            .into_iter()
            .map(|(language, health)| (LanguageLabel { language }, health))
            .collect();
        for (name, help, value) in POOL_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (label, health) in &pool {
                ConstGauge::new(value(health)).encode(family.encode_family(label)?)?;
            }
        }
        for (name, help, value) in POOL_COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (label, health) in &pool {
                ConstCounter::new(value(health)).encode(family.encode_family(label)?)?;
            }
        }
        Ok(())
    }
}

/// A metric of each language's pool: its name, its help text, and how to read it.
type PoolMetric = (&'static str, &'static str, fn(&PoolHealth) -> u64);

const POOL_GAUGES: [PoolMetric; 4] = [
    (
        "pool_size",
        "Containers that should wait for a job",
        |pool| whole(pool.size),
    ),
    ("pool_parked", "Containers that wait for a job", |pool| {
        whole(pool.parked)
    }),
    (
        "pool_starting",
        "Containers that are being started to wait for a job",
        |pool| whole(pool.starting),
    ),
    (
        "pool_oldest_age_milliseconds",
        "How long the oldest container has waited",
        |pool| pool.oldest_age_ms.unwrap_or(0),
    ),
];

const POOL_COUNTERS: [PoolMetric; 5] = [
    (
        "pool_handed_out",
        "Jobs that got a container that waited",
        |pool| pool.handed_out,
    ),
    (
        "pool_cold_starts",
        "Jobs that a container had to be started for",
        |pool| pool.cold_starts,
    ),
    (
        "pool_died",
        "Containers that died while they waited",
        |pool| pool.died,
    ),
    (
        "pool_expired",
        "Containers that were replaced for their age",
        |pool| pool.expired,
    ),
    (
        "pool_failed_refills",
        "Containers that could not be started to wait for a job",
        |pool| pool.failed_refills,
    ),
];

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
