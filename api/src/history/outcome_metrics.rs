//! Metrics of job outcomes, and of the time it takes to record them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use warren_protocol::reply::FailureCode;

use crate::metrics::{DURATIONS, Metrics};
use crate::store::{End, Execution};

/// Metrics of job outcomes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct OutcomeMetrics {
    jobs: Family<EndLabels, Counter>,
    stages: Family<StageLabels, Histogram, fn() -> Histogram>,
    writes: Histogram,
    write_failures: Counter,
}

/// The recipient of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedTo {
    /// A caller who waits.
    Caller,
    /// The store alone: no caller waited, or not so long.
    Store,
}

impl ReportedTo {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Store => "store",
        }
    }
}

/// Returns the recorded status, but for callers who left: those are not Warren's failures.
fn verdict(end: &End) -> &'static str {
    match end {
        End::Failed(failure) if failure.code == FailureCode::Cancelled => "cancelled",
        end => end.status(),
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    language: String,
    verdict: &'static str,
    told: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
    language: String,
    told: &'static str,
}

impl Default for OutcomeMetrics {
    fn default() -> Self {
        Self {
            jobs: Family::default(),
            stages: Family::new_with_constructor(durations),
            writes: durations(),
            write_failures: Counter::default(),
        }
    }
}

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

impl OutcomeMetrics {
    /// Registers all of these metrics.
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(
            "jobs",
            "Jobs by language, verdict, and whether a caller was told or the store alone; failed is one without a verdict by Warren's own fault, cancelled one whose caller left, pending one whose caller stopped waiting first and whose result may still come",
            self.jobs.clone(),
        );
        metrics.register(
            "job_stage_seconds",
            "Where the time of jobs that ran went: in the queue, until their sandbox was there, in their runs",
            self.stages.clone(),
        );
        metrics.register(
            "store_write_seconds",
            "How long the store takes to record an execution",
            self.writes.clone(),
        );
        metrics.register(
            "store_write_failures",
            "Attempts to record an execution that failed; each is made again",
            self.write_failures.clone(),
        );
    }

    /// Counts a job that ended, or whose caller stopped waiting.
    pub(crate) fn ended(&self, execution: &Execution, to: ReportedTo) {
        let language = execution.origin.as_ref();
        let language = language.map_or("unknown", |origin| origin.language.as_str());
        let labels = EndLabels {
            language: language.to_owned(),
            verdict: verdict(&execution.end),
            told: to.as_str(),
        };
        self.jobs.get_or_create(&labels).inc();
        let End::Ran(response) = &execution.end else {
            return;
        };
        let timings = response.timings;
        for (stage, ms) in [
            ("queue", timings.queue_ms),
            ("sandbox", timings.sandbox_ms),
            ("run", timings.run_ms),
        ] {
            let labels = StageLabels {
                stage,
                language: language.to_owned(),
                told: to.as_str(),
            };
            self.stages.get_or_create(&labels).observe(ms / 1000.0);
        }
    }

    /// Records how long the store took to write an execution.
    pub(crate) fn written(&self, after: Duration) {
        self.writes.observe(after.as_secs_f64());
    }

    /// Counts a failed write.
    pub(crate) fn not_written(&self) {
        self.write_failures.inc();
    }
}
