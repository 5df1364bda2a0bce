//! The pool's refiller: starts missing containers, replaces dead or old ones, removes used ones.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::policy::{self, Level, Load, RefillDecision, RefillInputs};
use super::{Pool, SharedPool, start};
use crate::slots::Activity;

/// The longest wait when only a change can matter.
const LONG: Duration = Duration::from_secs(60);

impl Pool {
    /// Keeps the pool full until `stop`, then empties it.
    pub async fn keep(&self, stop: CancellationToken) {
        let shared = &self.0;
        let mut activity = shared.slots.activity();
        let mut refills = JoinSet::new();
        // The moment since which the next refill has waited.
        let mut waiting_since = Instant::now();
        while !stop.is_cancelled() {
            let (now, seen) = (Instant::now(), *activity.borrow_and_update());
            let load = load(seen, now);
            let mut wait = shared.tidy(now, load).min(LONG);
            let levels = shared.levels(now);
            if !levels.iter().any(Level::lacks) {
                waiting_since = now;
            }
            let since = seen.roomy_since().unwrap_or(now).max(waiting_since);
            match policy::refill(&RefillInputs {
                load,
                waited: now.saturating_duration_since(since),
                at_once: usize::from(shared.settings.refills.get()),
                effort: shared.engine.effort(),
                levels: &levels,
            }) {
                RefillDecision::Refill(which) => {
                    waiting_since = now;
                    let starting = Refill::begin(Arc::clone(shared), which);
                    refills.spawn(refill(starting, stop.clone()));
                    continue;
                }
                RefillDecision::Wait(quiet) => wait = wait.min(quiet),
                RefillDecision::Idle => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = poll_fn(|cx| shared.poll_dead(cx)) => {}
                () = shared.changed.notified() => {}
                _ = activity.changed() => {}
                Some(ended) = refills.join_next() => {
                    if let Err(panic) = ended {
                        tracing::error!(%panic, "a refill of the pool panicked; this is a bug in Warren, please report it with the log");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        shared.close();
        // They end by themselves, soon.
        while refills.join_next().await.is_some() {}
    }
}

fn load(activity: Activity, now: Instant) -> Load {
    match (activity.quiet_for(now), activity.roomy_since()) {
        (Some(quiet), _) => Load::Quiet(quiet),
        (None, Some(_)) => Load::Busy,
        (None, None) => Load::Full,
    }
}

impl SharedPool {
    fn levels(&self, now: Instant) -> Vec<Level> {
        let state = self.state();
        let level = |pool: &super::LanguagePool| {
            let level = pool.level(now);
            // A resume notifies.
            let backoff = if state.paused { LONG } else { level.backoff };
            Level { backoff, ..level }
        };
        state.pools.iter().map(level).collect()
    }

    /// Retires containers that are too old, and removes those whose removal is due. Returns the
    /// time until there is more to do.
    fn tidy(&self, now: Instant, load: Load) -> Duration {
        let mut old = Vec::new();
        let mut state = self.state();
        let pools = state.pools.iter_mut();
        let expiry = pools
            .filter_map(|pool| pool.take_expired(now, &mut old))
            .min();
        drop(state);
        if !old.is_empty() {
            self.leave(old.into_iter().map(|parked| parked.conversation).collect());
        }
        let mut wait = expiry.map_or(LONG, |expiry| expiry.saturating_duration_since(now));
        let mut removed = Vec::new();
        let mut state = self.state();
        while let Some(first) = state.leaving.front() {
            let waited = now.saturating_duration_since(first.since);
            let put_off = policy::removal(load, waited, self.engine.effort());
            if !put_off.is_zero() {
                wait = wait.min(put_off);
                break;
            }
            removed.extend(state.leaving.pop_front());
        }
        drop(state);
        wait
    }

    /// Resolves once parked containers have died, and drops them.
    fn poll_dead(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut dead = Vec::new();
        for pool in &mut self.state().pools {
            pool.poll_dead(cx, &mut dead);
        }
        if dead.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Removes every container; from now on none is kept.
    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let parked: Vec<_> = state
            .pools
            .iter_mut()
            .map(super::LanguagePool::clear)
            .collect();
        let leaving = std::mem::take(&mut state.leaving);
        drop(state);
        drop((parked, leaving));
    }
}

/// A refill that is under way. Dropping it ends the refill, whatever its result.
struct Refill {
    shared: Arc<SharedPool>,
    which: usize,
}

impl Refill {
    fn begin(shared: Arc<SharedPool>, which: usize) -> Self {
        if let Some(pool) = shared.state().pools.get_mut(which) {
            pool.starting += 1;
        }
        Self { shared, which }
    }
}

impl Drop for Refill {
    fn drop(&mut self) {
        if let Some(pool) = self.shared.state().pools.get_mut(self.which) {
            pool.starting -= 1;
        }
    }
}

async fn refill(starting: Refill, stop: CancellationToken) {
    let shared = &starting.shared;
    let Some(language) = shared.languages.iter().nth(starting.which) else {
        return;
    };
    let begun = Instant::now();
    let engine = shared.engine.as_ref();
    let parked = start::parked(engine, language, &shared.slots, &shared.settings, &stop).await;
    let mut state = shared.state();
    let closed = state.closed;
    let Some(pool) = state.pools.get_mut(starting.which) else {
        return;
    };
    match parked {
        Ok(Some(parked)) if !closed => {
            pool.put(parked);
            tracing::debug!(language = %language.name(), took = ?begun.elapsed(), "parked a container");
        }
        Ok(_) => {}
        Err(error) => {
            let pause = pool.failed(&error, Instant::now());
            tracing::error!(language = %language.name(), %error, ?pause, "cannot refill the pool; retrying, and jobs start their own containers until then");
        }
    }
}
