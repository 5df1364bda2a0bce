//! The worker's readiness to run jobs.
//!
//! `condition` sets it. Jobs and probes record their results in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use warren_languages::LanguageName;

use crate::engine::EngineReport;
use crate::host::{Finding, Severity};

/// The time without an answer after which an engine may not answer at all.
const SILENCE: Duration = Duration::from_secs(1);
/// The pause between two such checks by a job at the end of its time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A worker's readiness state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadinessState {
    /// It prepares for its first job.
    Starting,
    /// It takes jobs.
    Ready,
    /// It takes no jobs, since it could run none, for this reason.
    Suspended(Arc<str>),
    /// It takes no more jobs, since it stops.
    Draining,
}

impl fmt::Display for ReadinessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::Suspended(reason) => write!(f, "suspended: {reason}"),
            Self::Draining => f.write_str("draining"),
        }
    }
}

/// The engine's answer to the last probe.
#[derive(Clone, Debug)]
pub(crate) enum EngineState {
    /// It was not probed yet.
    Unknown,
    /// It answered.
    Answering {
        report: EngineReport,
        /// The time that the answer took.
        latency: Duration,
        /// The number of calls that have cast doubt on it so far.
        doubts: u64,
    },
    /// It did not answer, or cannot be used, for this reason.
    Silent(Arc<str>),
}

/// The languages that cannot be run, each with the reason.
pub(crate) type Faults = BTreeMap<LanguageName, Arc<str>>;

/// The evidence that jobs have given, by language.
#[derive(Default)]
struct JobEvidence {
    /// The moment at which a program ran last.
    ran: BTreeMap<LanguageName, Instant>,
    /// The languages of which a job has failed since the monitor last looked.
    failed: BTreeSet<LanguageName>,
}

/// A worker's readiness. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<SharedReadiness>);

struct SharedReadiness {
    state: watch::Sender<ReadinessState>,
    engine: watch::Sender<EngineState>,
    /// The start of the probe that is under way.
    asked: Mutex<Option<Instant>>,
    faults: watch::Sender<Faults>,
    /// The findings about the host, once it was examined.
    host: watch::Sender<Option<Arc<[Finding]>>>,
    jobs: Mutex<JobEvidence>,
}

impl Readiness {
    /// Creates the readiness of a worker that starts.
    pub(crate) fn new() -> Self {
        Self(Arc::new(SharedReadiness {
            state: watch::Sender::new(ReadinessState::Starting),
            engine: watch::Sender::new(EngineState::Unknown),
            asked: Mutex::default(),
            faults: watch::Sender::default(),
            host: watch::Sender::default(),
            jobs: Mutex::default(),
        }))
    }

    /// Subscribes to the state.
    pub(crate) fn state(&self) -> watch::Receiver<ReadinessState> {
        self.0.state.subscribe()
    }

    /// Returns the state now.
    pub(crate) fn now(&self) -> ReadinessState {
        self.0.state.borrow().clone()
    }

    /// Subscribes to the engine's answers.
    pub(crate) fn engine_states(&self) -> watch::Receiver<EngineState> {
        self.0.engine.subscribe()
    }

    /// Returns the engine's last answer.
    pub(crate) fn engine_state(&self) -> EngineState {
        self.0.engine.borrow().clone()
    }

    /// Returns the languages that cannot be run, each with the reason.
    pub(crate) fn faults(&self) -> Faults {
        self.0.faults.borrow().clone()
    }

    /// Returns the findings about the host; `None` until it was examined.
    pub(crate) fn host(&self) -> Option<Arc<[Finding]>> {
        self.0.host.borrow().clone()
    }

    /// Records the findings about the host, and logs those that are new.
    pub(crate) fn set_host(&self, findings: Vec<Finding>) {
        let before = self.0.host.send_replace(Some(findings.clone().into()));
        let known = |finding: &Finding| {
            let mut before = before.iter().flat_map(|findings| findings.iter());
            before.any(|known| known == finding)
        };
        let new = findings.iter().filter(|finding| !known(finding));
        for Finding {
            name,
            severity,
            says,
            remedy,
        } in new
        {
            match severity {
                Severity::Degraded => {
                    tracing::warn!(
                        finding = name,
                        remedy,
                        "the host weakens every sandbox: {says}"
                    );
                }
                Severity::Advice | Severity::Ok => {
                    tracing::debug!(finding = name, remedy, "the host: {says}");
                }
            }
        }
    }

    /// Waits until the engine has been silent for a while, so that no answer can be expected now.
    pub(crate) async fn silence(&self) {
        loop {
            let asked = *self.asked();
            let silent = asked.is_some_and(|asked| asked.elapsed() >= SILENCE);
            if silent || matches!(self.now(), ReadinessState::Suspended(_)) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of a probe.
    pub(crate) fn probing(&self) {
        *self.asked() = Some(Instant::now());
    }

    /// Records that a program of this language ran, whatever its verdict.
    pub(crate) fn ran(&self, language: &LanguageName) {
        self.jobs().ran.insert(language.clone(), Instant::now());
    }

    /// Records that a job of this language could not be run.
    pub(crate) fn failed(&self, language: &LanguageName) {
        self.jobs().failed.insert(language.clone());
    }

    /// Returns whether a job of this language has failed since the last such question.
    pub(crate) fn has_failed(&self, language: &LanguageName) -> bool {
        self.jobs().failed.remove(language)
    }

    /// Returns the moment at which a program of this language ran last.
    pub(crate) fn ran_last(&self, language: &LanguageName) -> Option<Instant> {
        self.jobs().ran.get(language).copied()
    }

    fn jobs(&self) -> MutexGuard<'_, JobEvidence> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a state. Logs the beginning and the end of a suspension.
    pub(crate) fn enter(&self, state: ReadinessState) {
        let before = self.0.state.send_replace(state.clone());
        match (&before, &state) {
            (ReadinessState::Suspended(_), ReadinessState::Suspended(_)) => {}
            (_, ReadinessState::Suspended(reason)) => {
                tracing::error!(%reason, "cannot run jobs, so takes none; resumes by itself");
            }
            (ReadinessState::Suspended(_), ReadinessState::Ready) => {
                tracing::info!("takes jobs again");
            }
            (ReadinessState::Starting, ReadinessState::Ready) => tracing::info!("takes jobs"),
            _ => {}
        }
    }

    /// Records the end of a probe.
    pub(crate) fn probed(&self, seen: EngineState) {
        *self.asked() = None;
        self.0.engine.send_replace(seen);
    }

    /// Records which languages cannot be run, and logs each change.
    pub(crate) fn set_faults(&self, faults: Faults) {
        let before = self.0.faults.send_replace(faults.clone());
        for (language, reason) in &faults {
            if !before.contains_key(language) {
                tracing::error!(%language, %reason, "cannot run a language; its jobs are answered with an error until it can");
            }
        }
        for language in before.keys().filter(|name| !faults.contains_key(*name)) {
            tracing::info!(%language, "can run a language again");
        }
    }
}
