//! One language's parked containers, and what became of others.

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

/// The pause after a failed refill; it doubles, and up to as much again is added by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Where doubling ends.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// A container that waits for a job.
pub(super) struct Parked {
    pub(super) conversation: Conversation,
    pub(super) interpreter: Interpreter,
    /// When its start began.
    pub(super) since: Instant,
    /// When it is replaced.
    pub(super) until: Instant,
    /// When PID 1 ends it, at the earliest.
    pub(super) life_end: Instant,
}

/// Whether an interpreter waits in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpreter {
    /// One does.
    Parked,
    /// There is only PID 1.
    None,
}

/// One language's part of the pool.
pub(super) struct LanguagePool {
    pub(super) language: LanguageName,
    size: usize,
    /// The oldest first.
    parked: VecDeque<Parked>,
    /// Refills under way.
    pub(super) starting: usize,
    /// Why the last refill failed, if it did.
    failure: Option<String>,
    backoff: Option<ExponentialBackoff>,
    backoff_until: Option<Instant>,
    pub(super) counters: PoolCounters,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolCounters {
    /// Jobs that got a parked container.
    pub(super) handed_out: u64,
    /// Jobs that a container was started for.
    pub(super) cold_starts: u64,
    /// Parked containers that died before their job, or failed at once in its hands.
    pub(super) died: u64,
    /// Parked containers that were replaced for their age.
    pub(super) expired: u64,
    /// Refills that failed.
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

    /// Puts a new one there.
    pub(super) fn put(&mut self, parked: Parked) {
        self.reset_backoff();
        self.parked.push_back(parked);
    }

    /// Notes that a refill failed. Returns for how long there will be no other.
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

    /// The oldest that lives, is within its age and will live for `needed`. Those that do not are
    /// put into `gone`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        needed: Duration,
        gone: &mut Vec<Parked>,
    ) -> Option<Parked> {
        while let Some(mut parked) = self.parked.pop_front() {
            let fresh = now < parked.until && now + needed <= parked.life_end;
            let mut nobody = Context::from_waker(Waker::noop());
            if !fresh {
                self.counters.expired += 1;
            } else if parked.conversation.poll_end(&mut nobody).is_ready() {
                self.counters.died += 1;
            } else {
                self.counters.handed_out += 1;
                return Some(parked);
            }
            gone.push(parked);
        }
        None
    }

    /// The oldest, if there are as many as there should be. Counted nowhere.
    pub(super) fn take_surplus(&mut self) -> Option<Parked> {
        if self.parked.len() < self.size {
            return None;
        }
        self.parked.pop_front()
    }

    /// Forgets that refills failed.
    pub(super) fn reset_backoff(&mut self) {
        self.failure = None;
        self.backoff = None;
        self.backoff_until = None;
    }

    /// Removes those that died; wakes the caller when one does.
    pub(super) fn poll_dead(&mut self, cx: &mut Context<'_>, gone: &mut Vec<Parked>) {
        for mut parked in std::mem::take(&mut self.parked) {
            match parked.conversation.poll_end(cx) {
                Poll::Pending => self.parked.push_back(parked),
                Poll::Ready(error) => {
                    self.counters.died += 1;
                    tracing::warn!(language = %self.language, %error, "a parked container died; it is replaced");
                    gone.push(parked);
                }
            }
        }
    }

    /// Removes those that have reached their age. Returns when the next one will have.
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

    /// Takes all of them.
    pub(super) fn clear(&mut self) -> VecDeque<Parked> {
        std::mem::take(&mut self.parked)
    }

    /// How it is.
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
