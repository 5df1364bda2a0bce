//! A record of the faults done to the system, their times, and the violations.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    WorkerKill,
    BrokerStop,
    BrokerKill,
    Cut,
    Silence,
    Delay,
    QueueDeleted,
    ConnectionClosed,
    ApiKill,
    Rolled,
}

impl Kind {
    /// Returns its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerKill => "worker SIGKILL",
            Self::BrokerStop => "broker stopped and started",
            Self::BrokerKill => "broker SIGKILL and start",
            Self::Cut => "connection cut mid-message",
            Self::Silence => "connections black-holed",
            Self::Delay => "connections slowed down",
            Self::QueueDeleted => "queue deleted",
            Self::ConnectionClosed => "connection closed by the broker",
            Self::ApiKill => "API SIGKILL",
            Self::Rolled => "process replaced (SIGTERM)",
        }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Mark {
    pub kind: Kind,
    pub what: String,
    pub begun: Instant,
    pub over: Option<Instant>,
}

/// A promise that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An accepted job has no end, or a recorded verdict is gone.
    Lost,
    /// A job has two ends.
    Doubled,
    /// A request was answered too late, or not at all.
    TooLate,
    /// The answer is not what the program prints, or not an answer of the contract.
    Wrong,
    /// A process misbehaved.
    Process,
    /// Something is left behind.
    LeftBehind,
}

/// One promise that was not kept.
#[derive(Clone, Debug)]
pub struct Violation {
    pub broken: Broken,
    pub what: String,
    pub job: Option<String>,
    /// The beginning of the time in which it happened: from sending to answer, say.
    pub from: Instant,
    pub to: Instant,
}

/// The journal of a run.
#[derive(Default)]
pub struct Journal {
    marks: Mutex<Vec<Option<Mark>>>,
    violations: Mutex<Vec<Violation>>,
}

impl Journal {
    /// Records the beginning of a fault. Returns its number, for [`Journal::over`].
    pub fn begin(&self, kind: Kind, what: impl Into<String>) -> usize {
        let mut marks = lock(&self.marks);
        marks.push(Some(Mark {
            kind,
            what: what.into(),
            begun: Instant::now(),
            over: None,
        }));
        marks.len() - 1
    }

    /// Records its end.
    pub fn over(&self, number: usize) {
        if let Some(mark) = &mut lock(&self.marks)[number] {
            mark.over = Some(Instant::now());
        }
    }

    /// Removes a fault that found nothing to act on.
    pub fn withdraw(&self, number: usize) {
        lock(&self.marks)[number] = None;
    }

    /// Returns all faults so far.
    pub fn marks(&self) -> Vec<Mark> {
        lock(&self.marks).iter().flatten().cloned().collect()
    }

    /// Records a promise that was not kept.
    pub fn violation(&self, violation: Violation) {
        eprintln!(
            "chaos: {:?}: {} {}",
            violation.broken,
            violation.job.as_deref().unwrap_or_default(),
            violation.what
        );
        lock(&self.violations).push(violation);
    }

    /// Records one that concerns no job, found now.
    pub fn violated(&self, broken: Broken, what: impl Into<String>) {
        self.about(broken, None, what);
    }

    /// Records one about a job, found now.
    pub fn about(&self, broken: Broken, job: Option<&str>, what: impl Into<String>) {
        let now = Instant::now();
        self.violation(Violation {
            broken,
            what: what.into(),
            job: job.map(str::to_owned),
            from: now,
            to: now,
        });
    }

    /// Returns all violations so far.
    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.violations).clone()
    }

    /// Returns the faults that were under way at the time of a violation, or had just ended.
    pub fn around(&self, violation: &Violation) -> Vec<String> {
        const LATELY: std::time::Duration = std::time::Duration::from_secs(3);
        let near = |mark: &Mark| {
            mark.begun <= violation.to
                && mark.over.is_none_or(|over| over + LATELY >= violation.from)
        };
        let marks = self.marks();
        let told = marks.iter().filter(|mark| near(mark)).map(|mark| {
            let at = mark.begun.saturating_duration_since(violation.from);
            let before = violation.from.saturating_duration_since(mark.begun);
            format!("{} ({at:.1?} after, {before:.1?} before)", mark.what)
        });
        told.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
