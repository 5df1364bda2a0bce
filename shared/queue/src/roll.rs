//! The workers that were heard of lately.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{FORGOTTEN_AFTER, WorkerStatus};

/// The most workers that are remembered at a time.
const MAX_WORKERS: usize = 1024;

/// Who has announced itself, and how it said it was.
#[derive(Default)]
pub(super) struct Roll(Mutex<HashMap<InstanceId, Heard>>);

struct Heard {
    status: WorkerStatus,
    at: Instant,
}

impl Roll {
    /// A worker has announced itself at that time.
    pub(super) fn heard(&self, status: WorkerStatus, at: Instant) {
        let mut roll = self.fresh(at);
        let is_full = roll.len() >= MAX_WORKERS;
        match roll.get(&status.instance) {
            // Two announcements may overtake each other on their way.
            Some(known) if known.status.sent_at > status.sent_at => return,
            None if is_full => {
                tracing::warn!(worker = %status.instance, "more workers than are kept track of");
                return;
            }
            _ => {}
        }
        roll.insert(status.instance.clone(), Heard { status, at });
    }

    /// Those heard of within [`FORGOTTEN_AFTER`], in the order of their names.
    pub(super) fn at(&self, now: Instant) -> Vec<WorkerStatus> {
        let roll = self.fresh(now);
        let mut workers: Vec<_> = roll.values().map(|heard| heard.status.clone()).collect();
        drop(roll);
        workers.sort_by(|one, other| one.instance.as_str().cmp(other.instance.as_str()));
        workers
    }

    fn fresh(&self, now: Instant) -> MutexGuard<'_, HashMap<InstanceId, Heard>> {
        let mut roll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        roll.retain(|_, heard| now.saturating_duration_since(heard.at) < FORGOTTEN_AFTER);
        roll
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
    fn the_last_word_of_a_worker_stands_until_it_is_forgotten() {
        let (roll, worker, start) = (Roll::default(), InstanceId::new("worker"), Instant::now());
        let draining = status(&worker, 2, WorkerState::Draining);
        roll.heard(status(&worker, 1, WorkerState::Ready), start);
        roll.heard(draining.clone(), start);
        roll.heard(status(&worker, 1, WorkerState::Ready), start);
        assert_eq!(roll.at(start), std::slice::from_ref(&draining));
        let last = start + FORGOTTEN_AFTER - Duration::from_millis(1);
        assert_eq!(roll.at(last), [draining]);
        assert_eq!(roll.at(start + FORGOTTEN_AFTER), []);
    }

    #[test]
    fn a_worker_whose_clock_was_set_back_is_heard_again() {
        let (roll, worker, start) = (Roll::default(), InstanceId::new("worker"), Instant::now());
        roll.heard(status(&worker, 10_000, WorkerState::Ready), start);
        let later = start + FORGOTTEN_AFTER;
        let again = status(&worker, 5, WorkerState::Ready);
        roll.heard(again.clone(), later);
        assert_eq!(roll.at(later), [again]);
    }

    #[test]
    fn the_roll_is_bounded_and_knows_those_on_it() {
        let (roll, now) = (Roll::default(), Instant::now());
        let first = InstanceId::new("worker");
        roll.heard(status(&first, 1, WorkerState::Ready), now);
        for _ in 0..MAX_WORKERS + 5 {
            let other = InstanceId::new("worker");
            roll.heard(status(&other, 1, WorkerState::Ready), now);
        }
        assert_eq!(roll.at(now).len(), MAX_WORKERS);
        roll.heard(status(&first, 2, WorkerState::Draining), now);
        assert!(
            roll.at(now)
                .contains(&status(&first, 2, WorkerState::Draining))
        );
    }
}
