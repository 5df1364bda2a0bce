//! One language's pool: its parked containers, its counters, and its refills' back-off.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;
use warren_languages::LanguageName;
use warren_protocol::health::PoolHealth;

use super::policy::Level;
use crate::Error;
use crate::pauses::pauses;
use crate::sandbox::conversation::Conversation;

/// The pause after a failed refill; it doubles, and up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// A container that waits for a job.
pub(super) struct Parked {
    pub(super) conversation: Conversation,
    pub(super) interpreter: Interpreter,
    /// The moment at which its start began.
    pub(super) since: Instant,
    /// The moment at which it is replaced.
    pub(super) until: Instant,
    /// The earliest moment at which PID 1 ends it.
    pub(super) life_end: Instant,
}

/// The presence of a parked interpreter in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpreter {
    /// An interpreter waits for its program.
    Parked,
    /// There is only PID 1.
    None,
}

/// The pool of one language.
pub(super) struct LanguagePool {
    pub(super) language: LanguageName,
    size: usize,
    /// The parked containers, the oldest first.
    parked: VecDeque<Parked>,
    /// The number of refills under way.
    pub(super) starting: usize,
    /// The reason why the last refill failed, if it did.
    failure: Option<String>,
    backoff: Option<ExponentialBackoff>,
    backoff_until: Option<Instant>,
    pub(super) counters: PoolCounters,
}

/// The counters of a pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolCounters {
    /// The number of jobs that got a parked container.
    pub(super) handed_out: u64,
    /// The number of jobs that a container was started for.
    pub(super) cold_starts: u64,
    /// The number of parked containers that died before their job, or failed it at once.
    pub(super) died: u64,
    /// The number of parked containers that were replaced for their age.
    pub(super) expired: u64,
    /// The number of refills that failed.
    pub(super) failed: u64,
}

impl LanguagePool {
    pub(super) fn new(language: LanguageName, size: usize) -> Self {
        Self {
            language,
            size,
            parked: VecDeque::new(),
            starting: 0,
            failure: None,
            backoff: None,
            backoff_until: None,
            counters: PoolCounters::default(),
        }
    }

    pub(super) fn level(&self, now: Instant) -> Level {
        Level {
            parked: self.parked.len(),
            starting: self.starting,
            size: self.size,
            backoff: self
                .backoff_until
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(now)),
        }
    }

    /// Adds a new container.
    pub(super) fn put(&mut self, parked: Parked) {
        self.reset_backoff();
        self.parked.push_back(parked);
    }

    /// Records that a refill failed. Returns the pause before the next one.
    pub(super) fn failed(&mut self, error: &Error, now: Instant) -> Duration {
        self.counters.failed += 1;
        self.failure = Some(error.to_string());
        let backoff = self
            .backoff
            .get_or_insert_with(|| pauses(FIRST_PAUSE, LAST_PAUSE));
        let pause = backoff.next().unwrap_or(LAST_PAUSE);
        self.backoff_until = Some(now + pause);
        pause
    }

    /// Takes a container that is alive, within its age, and will live for `needed`: the one whose CPU
    /// runs the fewest jobs, the oldest among equals. Moves unfit ones into `gone`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        needed: Duration,
        gone: &mut Vec<Parked>,
    ) -> Option<Parked> {
        while let Some(mut parked) = self.pop_least_crowded() {
            let fresh = now < parked.until && now + needed <= parked.life_end;
            let mut no_waker = Context::from_waker(Waker::noop());
            if !fresh {
                self.counters.expired += 1;
            } else if parked.conversation.poll_end(&mut no_waker).is_ready() {
                self.counters.died += 1;
            } else {
                self.counters.handed_out += 1;
                return Some(parked);
            }
            gone.push(parked);
        }
        None
    }

    fn pop_least_crowded(&mut self) -> Option<Parked> {
        let crowd = |place: &usize| self.parked[*place].conversation.core().jobs();
        let place = (0..self.parked.len()).min_by_key(crowd)?;
        self.parked.remove(place)
    }

    /// Takes the oldest container, if the pool is full. No counter counts it.
    pub(super) fn take_surplus(&mut self) -> Option<Parked> {
        if self.parked.len() < self.size {
            return None;
        }
        self.parked.pop_front()
    }

    /// Forgets failed refills.
    pub(super) fn reset_backoff(&mut self) {
        self.failure = None;
        self.backoff = None;
        self.backoff_until = None;
    }

    /// Moves containers that died into `gone`. Wakes the caller when another one dies.
    pub(super) fn poll_dead(&mut self, cx: &mut Context<'_>, gone: &mut Vec<Parked>) {
        for mut parked in std::mem::take(&mut self.parked) {
            match parked.conversation.poll_end(cx) {
                Poll::Pending => self.parked.push_back(parked),
                Poll::Ready(error) => {
                    self.counters.died += 1;
                    tracing::warn!(language = %self.language, %error, "a parked container died; replacing it");
                    gone.push(parked);
                }
            }
        }
    }

    /// Moves containers that have reached their age into `gone`. Returns the moment at which the next
    /// one will.
    pub(super) fn take_expired(&mut self, now: Instant, gone: &mut Vec<Parked>) -> Option<Instant> {
        let parked = std::mem::take(&mut self.parked);
        for parked in parked {
            if now < parked.until {
                self.parked.push_back(parked);
            } else {
                self.counters.expired += 1;
                gone.push(parked);
            }
        }
        self.parked.iter().map(|parked| parked.until).min()
    }

    /// Takes all containers.
    pub(super) fn clear(&mut self) -> VecDeque<Parked> {
        std::mem::take(&mut self.parked)
    }

    /// Reports the pool's health.
    pub(super) fn report(&self, now: Instant) -> PoolHealth {
        let oldest = self.parked.iter().map(|parked| parked.since).min();
        PoolHealth {
            size: self.size,
            parked: self.parked.len(),
            starting: self.starting,
            oldest_age_ms: oldest
                .map(|since| warren_protocol::time::millis(now.saturating_duration_since(since))),
            handed_out: self.counters.handed_out,
            cold_starts: self.counters.cold_starts,
            died: self.counters.died,
            expired: self.counters.expired,
            failed_refills: self.counters.failed,
            failure: self.failure.clone(),
        }
    }
}
