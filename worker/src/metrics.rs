//! What the worker has done and how it is, for Prometheus.

use std::fmt;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use warren_shared::health::PoolHealth;
use warren_shared::job::Job;
use warren_shared::outcome::Outcome;
use warren_shared::reply::JobFailure;

use crate::pool::Pool;
use crate::slots::Slots;

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a parked container's few milliseconds to the whole of a caller's wait, in seconds.
const DURATIONS: [f64; 12] = [
    0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.5, 3.5, 5.0,
];

/// All metrics of a worker.
pub struct Metrics {
    registry: Registry,
    jobs: JobMetrics,
}

/// What became of jobs. Cheap to clone.
#[derive(Clone)]
pub struct JobMetrics {
    jobs: Family<JobLabels, Counter>,
    durations: Family<LanguageLabel, Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobLabels {
    language: String,
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LanguageLabel {
    language: String,
}

impl Metrics {
    /// Nothing done yet.
    #[must_use]
    pub fn new(pool: Pool, slots: Slots) -> Self {
        let jobs = JobMetrics {
            jobs: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
        };
        let mut registry = Registry::with_prefix("warren_worker");
        registry.register(
            "jobs",
            "Jobs by language and verdict; failed is one without, by Warren's own fault, cancelled one that was ended because nobody waited for it any more",
            jobs.jobs.clone(),
        );
        registry.register_with_unit(
            "job_duration",
            "From a worker's beginning with a job to its outcome",
            Unit::Seconds,
            jobs.durations.clone(),
        );
        registry.register_collector(Box::new(Present { pool, slots }));
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

impl JobMetrics {
    /// Counts a job that begins now, once it ends.
    pub(crate) fn begin(&self, job: &Job) -> Tally<'_> {
        Tally {
            metrics: self,
            language: job.submission.language().to_string(),
            begun: Instant::now(),
            status: "cancelled",
        }
    }
}

/// A job that is being run. Dropped without an end, it was cancelled.
pub(crate) struct Tally<'a> {
    metrics: &'a JobMetrics,
    language: String,
    begun: Instant,
    status: &'static str,
}

impl Tally<'_> {
    /// The job has come to this end.
    pub(crate) fn end(mut self, result: &Result<Outcome, JobFailure>) {
        self.status = match result {
            Ok(outcome) => outcome.status().as_str(),
            Err(_) => "failed",
        };
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let language = std::mem::take(&mut self.language);
        let labels = JobLabels {
            language: language.clone(),
            status: self.status.to_owned(),
        };
        self.metrics.jobs.get_or_create(&labels).inc();
        let durations = &self.metrics.durations;
        let durations = durations.get_or_create(&LanguageLabel { language });
        durations.observe(self.begun.elapsed().as_secs_f64());
    }
}

/// What is asked for when it is told.
struct Present {
    pool: Pool,
    slots: Slots,
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").finish_non_exhaustive()
    }
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
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
            .map(|(language, shelf)| (LanguageLabel { language }, shelf))
            .collect();
        for (name, help, value) in POOL_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (label, shelf) in &pool {
                ConstGauge::new(value(shelf)).encode(family.encode_family(label)?)?;
            }
        }
        for (name, help, value) in POOL_COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (label, shelf) in &pool {
                ConstCounter::new(value(shelf)).encode(family.encode_family(label)?)?;
            }
        }
        Ok(())
    }
}

/// A figure of each language's part of the pool: its name, what it is, and how to read it.
type PoolFigure = (&'static str, &'static str, fn(&PoolHealth) -> u64);

const POOL_GAUGES: [PoolFigure; 4] = [
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

const POOL_COUNTERS: [PoolFigure; 5] = [
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
