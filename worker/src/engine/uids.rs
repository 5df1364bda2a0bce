//! The user ids of containers, each for one at a time.
//!
//! The kernel counts some resources by user, and a parked container may outlast thousands of others.
//! Other workers on the same Docker daemon take from the same ids. So a container is named for its
//! user: the daemon refuses a second one of that name, and whoever is refused takes another user. A
//! launcher of the native engine has ids of its own.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The user ids, which it hands out. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Uids {
    range: Range<u32>,
    state: Arc<Mutex<UidState>>,
}

#[derive(Debug)]
struct UidState {
    /// The place in the range of the one that is next.
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
    /// Creates the set of these user ids, all free. `anywhere` chooses the first one to hand out,
    /// since workers on one host must not go through the ids in step.
    pub(super) fn new(range: Range<u32>, anywhere: u32) -> Self {
        let state = UidState {
            next: anywhere.checked_rem(count(&range)).unwrap_or(0),
            taken: HashSet::new(),
        };
        Self {
            range,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> u32 {
        count(&self.range)
    }

    /// Takes the next free user id, in turn; `None` if this engine's containers have them all.
    pub(super) fn take(&self) -> Option<Uid> {
        let mut state = self.state();
        let (start, count) = (state.next, self.count());
        let mut turn = (0..count).map(|n| (start + n) % count);
        let index = turn.find(|index| !state.taken.contains(index))?;
        state.next = (index + 1) % count;
        state.taken.insert(index);
        Some(Uid {
            number: self.range.start + index,
            uids: self.clone(),
        })
    }

    /// Continues at another place: another worker has the last one's user, and likely the next.
    pub(super) fn jump(&self, anywhere: u32) {
        self.state().next = anywhere.checked_rem(self.count()).unwrap_or(0);
    }

    fn state(&self) -> MutexGuard<'_, UidState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let index = self.number - self.uids.range.start;
        self.uids.state().taken.remove(&index);
    }
}

fn count(range: &Range<u32>) -> u32 {
    range.end.saturating_sub(range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range<u32> = 60_706..61_184;

    #[test]
    fn one_that_is_in_use_is_skipped_at_its_next_turn() {
        let uids = Uids::new(RANGE, u32::MAX);
        let parked = uids.take().unwrap();
        for _ in 0..3 * uids.count() {
            let other = uids.take().unwrap();
            assert!(RANGE.contains(&other.number()));
            assert_ne!(other.number(), parked.number());
        }
        let number = parked.number();
        drop(parked);
        assert!((0..uids.count()).any(|_| uids.take().unwrap().number() == number));
    }

    #[test]
    fn there_is_none_of_an_empty_range() {
        assert!(Uids::new(7..7, 3).take().is_none());
    }

    #[test]
    fn there_is_none_when_all_are_in_use() {
        let uids = Uids::new(RANGE, 3);
        let mut all: Vec<_> = (0..uids.count()).map(|_| uids.take().unwrap()).collect();
        uids.jump(7);
        assert!(uids.take().is_none());
        let free = all.swap_remove(5).number();
        assert_eq!(uids.take().unwrap().number(), free);
    }
}
