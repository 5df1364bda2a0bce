//! The users that containers run as, each for one container at a time: the kernel counts some
//! resources for each user, and a parked container may outlast thousands of others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hardening::UIDS;

/// Hands out users.
#[derive(Clone)]
pub(super) struct Uids(Arc<Mutex<State>>);

struct State {
    next: u32,
    taken: HashSet<u32>,
}

/// A user that no other container of this engine has; free again when dropped.
pub(super) struct Uid {
    number: u32,
    uids: Uids,
}

impl Uids {
    /// All free; the first is chosen by `anywhere`, since workers on one host must not go through
    /// them in step.
    pub(super) fn new(anywhere: u32) -> Self {
        Self(Arc::new(Mutex::new(State {
            next: anywhere % count(),
            taken: HashSet::new(),
        })))
    }

    /// In turn, the next that is free. There are more than containers; if all were taken, the
    /// next one.
    pub(super) fn take(&self) -> Uid {
        let mut state = self.state();
        let start = state.next;
        let turn = (0..count()).map(|n| (start + n) % count());
        let place = turn
            .clone()
            .find(|place| !state.taken.contains(place))
            .unwrap_or(start);
        state.next = (place + 1) % count();
        state.taken.insert(place);
        Uid {
            number: UIDS.start + place,
            uids: self.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
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
    fn one_that_is_in_use_is_passed_over_when_its_turn_comes_again() {
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
