//! The requests that callers sent, and the answer to each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::post::Life;
use super::program::Expected;

/// A verdict's identity: no two runs of a job have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub worker: String,
    pub finished_at: u64,
}

/// The end of a request.
#[derive(Clone, Debug)]
pub enum End {
    /// 200 with what the program must print.
    Verdict(Run),
    /// A permitted explicit error.
    Error {
        code: String,
        /// Whether a result may still come.
        result_may_come: bool,
    },
    /// The API was killed during the request.
    ServerKilled,
    /// An impermissible end; it is in the journal.
    Violation,
}

/// One request.
pub struct Entry {
    pub job: Option<String>,
    pub expected: Expected,
    pub sent: Instant,
    pub answered: Instant,
    pub took: Duration,
    pub end: End,
    pub api: Arc<Life>,
}

/// One job that nobody waits for.
pub struct Unattended {
    pub job: String,
    pub expected: Expected,
}

/// Everything that was sent.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Vec<Arc<Entry>>>,
    unattended: Mutex<Vec<Arc<Unattended>>>,
    unattended_refused: Mutex<BTreeMap<String, u32>>,
}

impl Ledger {
    pub fn answered(&self, entry: Entry) {
        lock(&self.entries).push(Arc::new(entry));
    }

    pub fn accepted(&self, unattended: Unattended) {
        lock(&self.unattended).push(Arc::new(unattended));
    }

    pub fn refused(&self, reason: String) {
        *lock(&self.unattended_refused).entry(reason).or_default() += 1;
    }

    pub fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).clone()
    }

    pub fn unattended(&self) -> Vec<Arc<Unattended>> {
        lock(&self.unattended).clone()
    }

    /// Returns how many submissions of unattended jobs were not accepted, by reason.
    pub fn unattended_refused(&self) -> BTreeMap<String, u32> {
        lock(&self.unattended_refused).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
