//! The user ids of containers, each for one of the daemon's at a time.
//!
//! The kernel counts some resources by user, and a parked container may outlast thousands of others.
//! Other workers on the same daemon take from the same ids. So a container is named for its user: the
//! daemon refuses a second one of that name, and whoever is refused takes another user.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hardening::UIDS;

/// The user ids, which it hands out. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Uids(Arc<Mutex<UidState>>);

#[derive(Debug)]
struct UidState {
    next: u32,
    taken: HashSet<u32>,
}

/// A user id that no other container of this engine has; free again when dropped.
#[derive(Debug)]
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

    /// Takes the next free user id, in turn; `None` if this engine's containers have them all.
    pub(super) fn take(&self) -> Option<Uid> {
        let mut state = self.state();
        let start = state.next;
        let mut turn = (0..count()).map(|n| (start + n) % count());
        let index = turn.find(|index| !state.taken.contains(index))?;
        state.next = (index + 1) % count();
        state.taken.insert(index);
        Some(Uid {
            number: UIDS.start + index,
            uids: self.clone(),
        })
    }

    /// Continues at another place: another worker has the last one's user, and likely the next.
    pub(super) fn jump(&self, anywhere: u32) {
        self.state().next = anywhere % count();
    }

    fn state(&self) -> MutexGuard<'_, UidState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uid {
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Returns the name of the container that runs as this user.
    pub(super) fn container_name(&self) -> String {
        format!("warren-user-{}", self.number)
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.uids.state().taken.remove(&(self.number - UIDS.start));
    }
}

/// Returns how many there are.
pub(super) fn count() -> u32 {
    UIDS.end - UIDS.start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_in_use_is_skipped_at_its_next_turn() {
        let uids = Uids::new(u32::MAX);
        let parked = uids.take().unwrap();
        for _ in 0..3 * count() {
            let other = uids.take().unwrap();
            assert!(UIDS.contains(&other.number()));
            assert_ne!(other.number(), parked.number());
        }
        let number = parked.number();
        drop(parked);
        assert!((0..count()).any(|_| uids.take().unwrap().number() == number));
    }

    #[test]
    fn there_is_none_when_all_are_in_use() {
        let uids = Uids::new(3);
        let mut all: Vec<_> = (0..count()).map(|_| uids.take().unwrap()).collect();
        uids.jump(7);
        assert!(uids.take().is_none());
        let free = all.swap_remove(5).number();
        assert_eq!(uids.take().unwrap().number(), free);
    }
}
