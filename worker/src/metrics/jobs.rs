//! Counters and timers of jobs.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use warren_protocol::job::Job;
use warren_protocol::outcome::Outcome;
use warren_protocol::reply::JobFailure;

/// Bucket bounds in seconds: from a parked container's few milliseconds to a caller's whole wait.
const DURATIONS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.5, 3.5, 5.0,
];

/// The counters and timers of jobs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JobMetrics {
    jobs: Family<JobLabels, Counter>,
    durations: Family<LanguageLabel, Histogram>,
    stages: Family<StageLabels, Histogram>,
    retries: Family<RetryLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobLabels {
    language: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct LanguageLabel {
    pub(super) language: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
    language: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RetryLabel {
    why: RetryCause,
}

/// The cause for which a step of a job is repeated, by this worker or another.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum RetryCause {
    /// Its sandbox failed; the job gets another.
    Sandbox,
    /// It was lost with a worker; this worker runs it, alone.
    Suspect,
    /// This worker stops; another gets it.
    HandedBack,
    /// Its reply was not confirmed; it may be delivered again.
    Unconfirmed,
}

impl RetryCause {
    const ALL: [Self; 4] = [
        Self::Sandbox,
        Self::Suspect,
        Self::HandedBack,
        Self::Unconfirmed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Suspect => "suspect",
            Self::HandedBack => "handed_back",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl prometheus_client::encoding::EncodeLabelValue for RetryCause {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl JobMetrics {
    /// Registers the metrics, all of them zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let histogram = || Histogram::new(DURATIONS);
        let metrics = Self {
            jobs: Family::default(),
            durations: Family::new_with_constructor(histogram),
            stages: Family::new_with_constructor(histogram),
            retries: Family::default(),
        };
        // Causes that have not occurred are exported as 0, so that the first one is an increase.
        for why in RetryCause::ALL {
            drop(metrics.retries.get_or_create(&RetryLabel { why }));
        }
        registry.register(
            "jobs",
            "Jobs by language and verdict; failed: no verdict because Warren failed; cancelled: ended because nobody waited for it",
            metrics.jobs.clone(),
        );
        registry.register_with_unit(
            "job_duration",
            "Time from a worker's start of a job to its outcome",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "job_stage",
            "Time of each stage of jobs that ran: in the queue, until their sandbox was ready, in their runs",
            Unit::Seconds,
            metrics.stages.clone(),
        );
        registry.register(
            "retries",
            "Retries by cause: a sandbox that failed, a suspect that is run alone, a job handed back by a worker that stops, a reply that was not confirmed",
            metrics.retries.clone(),
        );
        metrics
    }

    /// Starts the timer of a job that begins now.
    pub(crate) fn begin(&self, job: &Job) -> JobTimer<'_> {
        JobTimer {
            metrics: self,
            language: job.submission.language().to_string(),
            begun: Instant::now(),
            status: "cancelled",
        }
    }

    /// Counts a step that is repeated.
    pub(crate) fn count_retry(&self, why: RetryCause) {
        self.retries.get_or_create(&RetryLabel { why }).inc();
    }
}

/// The timer of a running job, which counts the job when dropped: as cancelled, unless it ended.
pub(crate) struct JobTimer<'a> {
    metrics: &'a JobMetrics,
    language: String,
    begun: Instant,
    status: &'static str,
}

impl JobTimer<'_> {
    /// Records the job's result.
    pub(crate) fn end(mut self, result: &Result<Outcome, JobFailure>) {
        let Ok(outcome) = result else {
            self.status = "failed";
            return;
        };
        self.status = outcome.status().as_str();
        let timings = &outcome.timings;
        for (stage, time) in [
            ("queue", timings.queue),
            ("sandbox", timings.sandbox),
            ("run", timings.run),
        ] {
            let labels = StageLabels {
                stage,
                language: self.language.clone(),
            };
            let stages = self.metrics.stages.get_or_create(&labels);
            stages.observe(time.as_secs_f64());
        }
    }
}

impl Drop for JobTimer<'_> {
    fn drop(&mut self) {
        let language = std::mem::take(&mut self.language);
        let labels = JobLabels {
            language: language.clone(),
            status: self.status,
        };
        self.metrics.jobs.get_or_create(&labels).inc();
        let durations = &self.metrics.durations;
        let durations = durations.get_or_create(&LanguageLabel { language });
        durations.observe(self.begun.elapsed().as_secs_f64());
    }
}
