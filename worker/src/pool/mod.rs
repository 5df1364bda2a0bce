//! The warm pool: containers that were started ahead, each with its interpreter waiting, each for
//! exactly one job. Handing one out takes no time; starting and removing them happens off the
//! callers' path, when [`policy`] says so.

mod keeper;
mod lease;
mod policy;
mod settings;
mod shelf;
mod start;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use warren_languages::{LanguageName, Languages};
use warren_protocol::health::PoolHealth;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;

pub use lease::Lease;
pub use settings::PoolSettings;
pub(crate) use start::command;

use crate::Result;
use crate::conversation::Conversation;
use crate::engine::Engine;
use crate::slots::Slots;
use lease::Origin;
use shelf::Shelf;

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    engine: Arc<dyn Engine>,
    languages: Languages,
    slots: Slots,
    settings: PoolSettings,
    /// What parked containers are held to: only jobs of the same limits can have one.
    limits: Limits,
    state: Mutex<State>,
    /// Tells the keeper of what it cannot see by itself.
    changed: Notify,
}

struct State {
    /// One for each language.
    shelves: Vec<Shelf>,
    /// Used or too old, to be removed when nobody is in the way: the longest there first.
    leaving: VecDeque<Leaving>,
    /// Whether the worker stops.
    closed: bool,
    /// Whether refills would fail now.
    paused: bool,
}

struct Leaving {
    #[expect(dead_code, reason = "held for its drop")]
    conversation: Conversation,
    since: Instant,
}

/// Where a job's container may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the pool, if it has one.
    Pool,
    /// From the engine, since one of the pool's has just failed, or since nobody waits for the job:
    /// what is parked is for those that somebody waits for.
    Engine,
    /// From the pool, if it is full, for a canary: it must not cost a job its warm container, and is
    /// not counted.
    Canary,
}

impl Pool {
    /// An empty pool; [`Pool::keep`] fills it, once it is told to by [`Pool::resume`].
    #[must_use]
    pub fn new(
        settings: PoolSettings,
        engine: Arc<dyn Engine>,
        languages: Languages,
        slots: Slots,
    ) -> Self {
        let size = usize::from(settings.size);
        let shelves = languages
            .iter()
            .map(|language| Shelf::new(language.name().clone(), size))
            .collect();
        Self(Arc::new(Shared {
            engine,
            languages,
            slots,
            settings,
            limits: Limits::default(),
            state: Mutex::new(State {
                shelves,
                leaving: VecDeque::new(),
                closed: false,
                paused: true,
            }),
            changed: Notify::new(),
        }))
    }

    /// A container for this job alone: a parked one if there is one that fits, else one that is
    /// started now.
    ///
    /// # Errors
    /// None was there and none could be started.
    pub async fn lease(&self, job: &Job, source: Source) -> Result<Lease> {
        let parked = match source {
            Source::Pool => self.take(job),
            Source::Engine => None,
            Source::Canary => self.take_surplus(job.submission.language()),
        };
        if let Some(lease) = parked {
            return Ok(lease);
        }
        if source != Source::Canary {
            self.with_shelf(job.submission.language(), |shelf| {
                shelf.tally.cold_starts += 1;
            });
        }
        Ok(Lease {
            conversation: start::cold(self.0.engine.as_ref(), job).await?,
            origin: Origin::Cold,
        })
    }

    /// A parked container that lives, as far as can be seen.
    fn take(&self, job: &Job) -> Option<Lease> {
        if job.limits != self.0.limits {
            return None;
        }
        let mut gone = Vec::new();
        let (now, needed) = (Instant::now(), job.deadline.remaining());
        let parked = self.with_shelf(job.submission.language(), |shelf| {
            shelf.take(now, needed, &mut gone)
        });
        self.0.changed.notify_one();
        Some(Lease::of(parked??))
    }

    /// One of a full shelf's, for a canary.
    fn take_surplus(&self, language: &LanguageName) -> Option<Lease> {
        let parked = self.with_shelf(language, Shelf::take_surplus)?;
        self.0.changed.notify_one();
        Some(Lease::of(parked?))
    }

    /// Refills nothing until [`Pool::resume`].
    pub(crate) fn pause(&self) {
        self.0.state().paused = true;
        self.0.changed.notify_one();
    }

    /// Refills, and soon what could not be refilled before.
    pub(crate) fn resume(&self) {
        self.0.state().paused = false;
        self.retry();
    }

    /// Soon tries again what could not be refilled.
    pub(crate) fn retry(&self) {
        for shelf in &mut self.0.state().shelves {
            shelf.rest_no_longer();
        }
        self.0.changed.notify_one();
    }

    /// Takes back a container that has done its job, to be removed at a quiet moment.
    pub fn dismiss(&self, lease: Lease) {
        self.0.leave(vec![lease.conversation]);
    }

    /// Notes that a container failed in its job's hands: one that was parked may have been dead.
    pub fn was_lost(&self, lease: &Lease, language: &LanguageName) {
        if lease.origin != Origin::Cold {
            self.with_shelf(language, |shelf| shelf.tally.died += 1);
        }
    }

    /// How it is, by language.
    #[must_use]
    pub fn report(&self) -> BTreeMap<String, PoolHealth> {
        let now = Instant::now();
        let state = self.0.state();
        let shelves = state.shelves.iter();
        shelves
            .map(|shelf| (shelf.language.to_string(), shelf.report(now)))
            .collect()
    }

    fn with_shelf<T>(
        &self,
        language: &LanguageName,
        act: impl FnOnce(&mut Shelf) -> T,
    ) -> Option<T> {
        let mut state = self.0.state();
        let mut shelves = state.shelves.iter_mut();
        shelves.find(|shelf| shelf.language == *language).map(act)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has containers removed at a quiet moment; at once those that there is no room for, since
    /// each still counts as one of the engine's.
    fn leave(&self, conversations: Vec<Conversation>) {
        let since = Instant::now();
        let room = usize::from(self.slots.count().get());
        let mut state = self.state();
        let leaving = conversations.into_iter().map(|conversation| Leaving {
            conversation,
            since,
        });
        state.leaving.extend(leaving);
        let room = if state.closed { 0 } else { room };
        let surplus = state.leaving.len().saturating_sub(room);
        let surplus: Vec<Leaving> = state.leaving.drain(..surplus).collect();
        drop(state);
        drop(surplus);
        self.changed.notify_one();
    }
}
