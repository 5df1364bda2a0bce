//! The user ids that containers run as, each for one container at a time.
//!
//! The kernel counts some resources by user, and a parked container may outlast thousands of others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hardening::UIDS;

/// The user ids, which it hands out. Cheap to clone.
#[derive(Clone)]
pub(super) struct Uids(Arc<Mutex<UidState>>);

struct UidState {
    next: u32,
    taken: HashSet<u32>,
}

/// A user id that no other container of this engine has; free again when dropped.
pub(super) struct Uid {
    number: u32,
    uids: Uids,
}

impl Uids {
    /// Creates the set of all user ids, all free. `anywhere` chooses the first one to hand out,
    /// since workers on one host must not go through the ids in step.
    pub(super) fn new(anywhere: u32) -> Self {
        Self(Arc::new(Mutex::new(UidState {
            next: anywhere % count(),
            taken: HashSet::new(),
        })))
    }

    /// Takes the next free user id, in turn. There are more user ids than containers. If all were
    /// taken, takes the next one anyway.
    pub(super) fn take(&self) -> Uid {
        let mut state = self.state();
        let start = state.next;
        let turn = (0..count()).map(|n| (start + n) % count());
        let index = turn
            .clone()
            .find(|index| !state.taken.contains(index))
            .unwrap_or(start);
        state.next = (index + 1) % count();
        state.taken.insert(index);
        Uid {
            number: UIDS.start + index,
            uids: self.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, UidState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uid {
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.uids.state().taken.remove(&(self.number - UIDS.start));
    }
}

fn count() -> u32 {
    UIDS.end - UIDS.start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_in_use_is_skipped_at_its_next_turn() {
        let uids = Uids::new(u32::MAX);
        let parked = uids.take();
        for _ in 0..3 * count() {
            let other = uids.take();
            assert!(UIDS.contains(&other.number()));
            assert_ne!(other.number(), parked.number());
        }
        let number = parked.number();
        drop(parked);
        assert!((0..count()).any(|_| uids.take().number() == number));
    }
}
