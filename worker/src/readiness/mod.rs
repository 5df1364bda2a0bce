//! Whether this worker can run jobs: its engine is asked every second, and each language is tried
//! with a canary. While it cannot, it takes none; it resumes by itself.

mod canary;
mod language;
mod monitor;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use warren_languages::LanguageName;

pub(crate) use canary::Canary;
pub(crate) use monitor::Monitor;

use crate::engine::EngineReport;

/// After so long without an answer, an engine may well not answer at all.
const SILENCE: Duration = Duration::from_secs(1);
/// How often a job at the end of its time looks whether it is so.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a worker is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It gets ready for its first job.
    Starting,
    /// It takes jobs.
    Ready,
    /// It takes none, since it could run none: why.
    Suspended(Arc<str>),
    /// It takes none any more, since it stops.
    Draining,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::Suspended(reason) => write!(f, "suspended: {reason}"),
            Self::Draining => f.write_str("draining"),
        }
    }
}

/// What the engine said when it was asked last.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// It was not asked yet.
    Nothing,
    /// It answered, after so long.
    Answer {
        report: EngineReport,
        latency: Duration,
        /// How often calls have cast doubt on it so far.
        doubts: u64,
    },
    /// It did not, or cannot be used.
    Silence(Arc<str>),
}

/// The languages that cannot be run, and why.
pub(crate) type Faults = BTreeMap<LanguageName, Arc<str>>;

/// What jobs have shown, by language.
#[derive(Default)]
struct Jobs {
    /// When a program ran last.
    ran: BTreeMap<LanguageName, Instant>,
    /// Those of which a job failed since this was last looked at.
    failed: BTreeSet<LanguageName>,
}

/// What is known of a worker's readiness. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Shared>);

struct Shared {
    state: watch::Sender<State>,
    engine: watch::Sender<Seen>,
    /// Since when it is awaited what the engine says, if it is.
    asked: Mutex<Option<Instant>>,
    faults: watch::Sender<Faults>,
    jobs: Mutex<Jobs>,
}

impl Readiness {
    /// Of a worker that starts.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            state: watch::Sender::new(State::Starting),
            engine: watch::Sender::new(Seen::Nothing),
            asked: Mutex::default(),
            faults: watch::Sender::default(),
            jobs: Mutex::default(),
        }))
    }

    /// The state, now and whenever it changes.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// The state now.
    pub(crate) fn now(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// What the engine said last.
    pub(crate) fn engine(&self) -> Seen {
        self.0.engine.borrow().clone()
    }

    /// The languages that cannot be run, and why.
    pub(crate) fn faults(&self) -> Faults {
        self.0.faults.borrow().clone()
    }

    /// Waits until the engine has kept silent for a while: nothing is to be expected of it now.
    pub(crate) async fn silence(&self) {
        loop {
            let asked = *self.asked();
            let silent = asked.is_some_and(|asked| asked.elapsed() >= SILENCE);
            if silent || matches!(self.now(), State::Suspended(_)) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        *self.asked() = Some(Instant::now());
    }

    /// Notes that a program of this language ran, whatever came of it.
    pub(crate) fn ran(&self, language: &LanguageName) {
        self.jobs().ran.insert(language.clone(), Instant::now());
    }

    /// Notes that a job of this language could not be run.
    pub(crate) fn failed(&self, language: &LanguageName) {
        self.jobs().failed.insert(language.clone());
    }

    /// Whether one could not since this was last asked.
    fn has_failed(&self, language: &LanguageName) -> bool {
        self.jobs().failed.remove(language)
    }

    fn ran_last(&self, language: &LanguageName) -> Option<Instant> {
        self.jobs().ran.get(language).copied()
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a state. The beginning and the end of a suspension are told in the log.
    fn enter(&self, state: State) {
        let before = self.0.state.send_replace(state.clone());
        match (&before, &state) {
            (State::Suspended(_), State::Suspended(_)) => {}
            (_, State::Suspended(reason)) => {
                tracing::error!(%reason, "this worker takes no jobs, since it could not run them; it resumes by itself");
            }
            (State::Suspended(_), State::Ready) => tracing::info!("this worker takes jobs again"),
            (State::Starting, State::Ready) => tracing::info!("this worker takes jobs"),
            _ => {}
        }
    }

    fn see(&self, seen: Seen) {
        *self.asked() = None;
        self.0.engine.send_replace(seen);
    }

    fn find(&self, faults: Faults) {
        let before = self.0.faults.send_replace(faults.clone());
        for (language, reason) in &faults {
            if !before.contains_key(language) {
                tracing::error!(%language, %reason, "a language cannot be run");
            }
        }
        for language in before.keys().filter(|name| !faults.contains_key(*name)) {
            tracing::info!(%language, "a language can be run again");
        }
    }
}
