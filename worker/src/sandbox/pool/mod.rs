//! The warm pool: containers that were started ahead, each for exactly one job.
//!
//! An interpreter is parked in each, if its language supports that: it was started ahead and waits
//! for its program. Handing a container out takes no time. Starting and removing them happens in
//! the background, when [`policy`] decides so.

mod config;
mod language_pool;
mod lease;
mod policy;
mod refiller;
mod start;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use warren_languages::{LanguageName, Languages};
use warren_protocol::health::PoolHealth;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;

pub use config::PoolConfig;
pub(crate) use lease::Lease;
pub(crate) use start::command;

use crate::Result;
use crate::engine::{Effort, Engine};
use crate::sandbox::conversation::Conversation;
use crate::slots::Slots;
use language_pool::LanguagePool;
use lease::Origin;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<SharedPool>);

struct SharedPool {
    engine: Arc<dyn Engine>,
    languages: Languages,
    slots: Slots,
    settings: PoolConfig,
    /// The limits that parked containers are held to: only jobs of the same limits can have one.
    limits: Limits,
    state: Mutex<PoolState>,
    /// Notifies the refiller of changes that it cannot see by itself.
    changed: Notify,
}

struct PoolState {
    /// One pool for each language.
    pools: Vec<LanguagePool>,
    /// Containers that are used or too old, to be removed at a quiet moment, in the order in which they
    /// came.
    leaving: VecDeque<Leaving>,
    /// Whether the worker is stopping.
    closed: bool,
    /// Whether refills are paused, since they would fail now.
    paused: bool,
}

struct Leaving {
    #[expect(dead_code, reason = "held for its drop")]
    conversation: Conversation,
    since: Instant,
}

/// The source that a job's container may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The pool, if it has a container, else the engine.
    Pool,
    /// The engine: one of the pool's containers has just failed, or the job is unattended. Parked
    /// containers are for jobs that a caller waits for.
    Engine,
    /// The pool if it is full, else the engine, for a canary. It must not cost a job its warm
    /// container, and is not counted.
    Canary,
}

impl Pool {
    /// Creates an empty pool. [`Pool::keep`] fills it after [`Pool::resume`].
    #[must_use]
    pub(crate) fn new(
        settings: PoolConfig,
        engine: Arc<dyn Engine>,
        languages: Languages,
        slots: Slots,
    ) -> Self {
        let size = usize::from(settings.size);
        let pools = languages
            .iter()
            .map(|language| LanguagePool::new(language.name().clone(), size))
            .collect();
        Self(Arc::new(SharedPool {
            engine,
            languages,
            slots,
            settings,
            limits: Limits::default(),
            state: Mutex::new(PoolState {
                pools,
                leaving: VecDeque::new(),
                closed: false,
                paused: true,
            }),
            changed: Notify::new(),
        }))
    }

    /// Leases a container for this job alone: a parked one if one fits, else one that is started now.
    ///
    /// # Errors
    /// None was parked and none could be started.
    pub(crate) async fn lease(&self, job: &Job, source: Source) -> Result<Lease> {
        let parked = match source {
            Source::Pool => self.take(job),
            Source::Engine => None,
            Source::Canary => self.take_surplus(job.submission.language()),
        };
        if let Some(lease) = parked {
            return Ok(lease);
        }
        if source != Source::Canary {
            self.with_pool(job.submission.language(), |pool| {
                pool.counters.cold_starts += 1;
            });
        }
        let conversation = start::cold(self.0.engine.as_ref(), job).await?;
        Ok(Lease::cold(conversation))
    }

    /// Takes a parked container that is alive, as far as the pool knows.
    fn take(&self, job: &Job) -> Option<Lease> {
        if job.limits != self.0.limits {
            return None;
        }
        let mut gone = Vec::new();
        let (now, needed) = (Instant::now(), job.deadline.remaining());
        let parked = self.with_pool(job.submission.language(), |pool| {
            pool.take(now, needed, &mut gone)
        });
        self.0.changed.notify_one();
        Some(Lease::of(parked??))
    }

    /// Takes one of a full pool's containers, for a canary.
    fn take_surplus(&self, language: &LanguageName) -> Option<Lease> {
        let parked = self.with_pool(language, LanguagePool::take_surplus)?;
        self.0.changed.notify_one();
        Some(Lease::of(parked?))
    }

    /// Stops refills until [`Pool::resume`].
    pub(crate) fn pause(&self) {
        self.0.state().paused = true;
        self.0.changed.notify_one();
    }

    /// Resumes refills, and retries failed ones soon.
    pub(crate) fn resume(&self) {
        self.0.state().paused = false;
        self.retry();
    }

    /// Retries failed refills soon.
    pub(crate) fn retry(&self) {
        for pool in &mut self.0.state().pools {
            pool.reset_backoff();
        }
        self.0.changed.notify_one();
    }

    /// Takes back a container that has run its job, to be removed at a quiet moment.
    pub(crate) fn dismiss(&self, lease: Lease) {
        self.0.leave(vec![lease.conversation]);
    }

    /// Records that a container failed during its job. One that was parked may have died before.
    pub(crate) fn was_lost(&self, lease: &Lease, language: &LanguageName) {
        if lease.origin != Origin::Cold {
            self.with_pool(language, |pool| pool.counters.died += 1);
        }
    }

    /// Reports the pool's health, by language.
    #[must_use]
    pub(crate) fn report(&self) -> BTreeMap<String, PoolHealth> {
        let now = Instant::now();
        let state = self.0.state();
        let pools = state.pools.iter();
        pools
            .map(|pool| (pool.language.to_string(), pool.report(now)))
            .collect()
    }

    fn with_pool<T>(
        &self,
        language: &LanguageName,
        act: impl FnOnce(&mut LanguagePool) -> T,
    ) -> Option<T> {
        let mut state = self.0.state();
        let mut pools = state.pools.iter_mut();
        pools.find(|pool| pool.language == *language).map(act)
    }
}

impl SharedPool {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has containers removed at a quiet moment. Removes the surplus over one for each slot
    /// immediately, since each still counts as one of the engine's; and all if that costs little.
    fn leave(&self, conversations: Vec<Conversation>) {
        let since = Instant::now();
        let room = usize::from(self.slots.count().get());
        let mut state = self.state();
        let leaving = conversations.into_iter().map(|conversation| Leaving {
            conversation,
            since,
        });
        state.leaving.extend(leaving);
        let is_now = state.closed || self.engine.effort() == Effort::Light;
        let room = if is_now { 0 } else { room };
        let surplus = state.leaving.len().saturating_sub(room);
        let surplus: Vec<Leaving> = state.leaving.drain(..surplus).collect();
        drop(state);
        drop(surplus);
        self.changed.notify_one();
    }
}
