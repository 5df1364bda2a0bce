//! The registry of live workers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{FORGOTTEN_AFTER, WorkerStatus};

/// The most workers that are remembered at a time.
const MAX_WORKERS: usize = 1024;

/// The workers that announced themselves recently, with their last state.
#[derive(Default)]
pub(super) struct WorkerRegistry(Mutex<HashMap<InstanceId, Announced>>);

struct Announced {
    status: WorkerStatus,
    at: Instant,
}

impl WorkerRegistry {
    /// Enters an announcement that arrived at `at`.
    pub(super) fn update(&self, status: WorkerStatus, at: Instant) {
        let mut registry = self.fresh(at);
        let is_full = registry.len() >= MAX_WORKERS;
        match registry.get(&status.instance) {
            // Announcements may arrive out of order.
            Some(known) if known.status.sent_at > status.sent_at => return,
            None if is_full => {
                tracing::warn!(worker = %status.instance, "too many workers to keep track of; ignoring one");
                return;
            }
            _ => {}
        }
        registry.insert(status.instance.clone(), Announced { status, at });
    }

    /// Returns those that announced themselves within [`FORGOTTEN_AFTER`], in the order of their
    /// names.
    pub(super) fn at(&self, now: Instant) -> Vec<WorkerStatus> {
        let registry = self.fresh(now);
        let mut workers: Vec<_> = registry.values().map(|it| it.status.clone()).collect();
        drop(registry);
        workers.sort_by(|one, other| one.instance.as_str().cmp(other.instance.as_str()));
        workers
    }

    fn fresh(&self, now: Instant) -> MutexGuard<'_, HashMap<InstanceId, Announced>> {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.retain(|_, it| now.saturating_duration_since(it.at) < FORGOTTEN_AFTER);
        registry
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use warren_protocol::presence::WorkerState;
    use warren_protocol::time::EpochMillis;

    fn status(instance: &InstanceId, sent: u64, state: WorkerState) -> WorkerStatus {
        WorkerStatus {
            version: WorkerStatus::VERSION,
            instance: instance.clone(),
            state,
            slots: 4,
            running: 1,
            service: None,
            sent_at: EpochMillis::from_millis(sent),
        }
    }

    #[test]
    fn the_last_state_of_a_worker_is_kept_until_it_is_forgotten() {
        let (registry, worker, start) = (
            WorkerRegistry::default(),
            InstanceId::new("worker"),
            Instant::now(),
        );
        let draining = status(&worker, 2, WorkerState::Draining);
        registry.update(status(&worker, 1, WorkerState::Ready), start);
        registry.update(draining.clone(), start);
        registry.update(status(&worker, 1, WorkerState::Ready), start);
        assert_eq!(registry.at(start), std::slice::from_ref(&draining));
        let last = start + FORGOTTEN_AFTER - Duration::from_millis(1);
        assert_eq!(registry.at(last), [draining]);
        assert_eq!(registry.at(start + FORGOTTEN_AFTER), []);
    }

    #[test]
    fn a_worker_whose_clock_was_set_back_is_entered_again() {
        let (registry, worker, start) = (
            WorkerRegistry::default(),
            InstanceId::new("worker"),
            Instant::now(),
        );
        registry.update(status(&worker, 10_000, WorkerState::Ready), start);
        let later = start + FORGOTTEN_AFTER;
        let again = status(&worker, 5, WorkerState::Ready);
        registry.update(again.clone(), later);
        assert_eq!(registry.at(later), [again]);
    }

    #[test]
    fn the_registry_is_bounded_and_knows_those_in_it() {
        let (registry, now) = (WorkerRegistry::default(), Instant::now());
        let first = InstanceId::new("worker");
        registry.update(status(&first, 1, WorkerState::Ready), now);
        for _ in 0..MAX_WORKERS + 5 {
            let other = InstanceId::new("worker");
            registry.update(status(&other, 1, WorkerState::Ready), now);
        }
        assert_eq!(registry.at(now).len(), MAX_WORKERS);
        registry.update(status(&first, 2, WorkerState::Draining), now);
        assert!(
            registry
                .at(now)
                .contains(&status(&first, 2, WorkerState::Draining))
        );
    }
}
