//! Allotments of something bounded: by caller first, and by room or receiver second.
//!
//! A caller may have [`CALLERS_PART`] times as much as is free, and each of its rooms as much as is
//! left of that (dynamic thresholds, Choudhury and Hahne 1998). So one caller that takes all it can
//! get leaves a third of the whole to others, however many rooms it names, and two leave a fifth. A
//! newcomer finds something. One room alone gets half of the whole.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use warren_protocol::ids::CallerTag;

use super::Lock;

/// How many times as much as is free a caller may have. With 1, the only caller of a service, such
/// as a server that passes on the programs of many users, would have but half of it; with more, less
/// is left to the third and fourth of those who flood at once.
const CALLERS_PART: usize = 2;

/// How much each caller has, and of that each of its parts: its rooms, or the receivers of its
/// callbacks. Whoever has nothing takes no memory.
#[derive(Debug)]
pub(crate) struct Counts<P> {
    total: usize,
    parts: usize,
    callers: HashMap<CallerTag, OfCaller<P>>,
}

#[derive(Debug)]
struct OfCaller<P> {
    total: usize,
    parts: HashMap<P, usize>,
}

/// What is held of something bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// By all together.
    pub(crate) total: usize,
    /// By the caller.
    pub(crate) caller: usize,
    /// By that part of the caller.
    pub(crate) part: usize,
}

impl Held {
    /// Returns whether the caller's part may have more, if there are `most` in all.
    fn may_grow(self, most: usize) -> bool {
        let free = most.saturating_sub(self.total);
        let for_caller = CALLERS_PART.saturating_mul(free);
        self.caller < for_caller && self.part <= for_caller - self.caller
    }
}

impl<P> Default for Counts<P> {
    fn default() -> Self {
        Self {
            total: 0,
            parts: 0,
            callers: HashMap::new(),
        }
    }
}

impl<P: Clone + Eq + Hash> Counts<P> {
    /// Returns what is held now.
    pub(crate) fn held(&self, caller: CallerTag, part: &P) -> Held {
        let of_caller = self.callers.get(&caller);
        Held {
            total: self.total,
            caller: of_caller.map_or(0, |of_caller| of_caller.total),
            part: of_caller.map_or(0, |of_caller| {
                of_caller.parts.get(part).copied().unwrap_or_default()
            }),
        }
    }

    /// Returns whether this part of the caller may have more, if there are `most` in all.
    pub(crate) fn may_grow(&self, most: usize, caller: CallerTag, part: &P) -> bool {
        self.held(caller, part).may_grow(most)
    }

    /// Adds to what this part of the caller has.
    pub(crate) fn add(&mut self, caller: CallerTag, part: P, amount: usize) {
        let of_caller = self.callers.entry(caller).or_insert_with(|| OfCaller {
            total: 0,
            parts: HashMap::new(),
        });
        of_caller.total += amount;
        let before = of_caller.parts.len();
        *of_caller.parts.entry(part).or_default() += amount;
        self.parts += of_caller.parts.len() - before;
        self.total += amount;
    }

    /// Takes away from what this part of the caller has.
    pub(crate) fn remove(&mut self, caller: CallerTag, part: &P, amount: usize) {
        let Some(of_caller) = self.callers.get_mut(&caller) else {
            return;
        };
        let Some(of_part) = of_caller.parts.get_mut(part) else {
            return;
        };
        let amount = amount.min(*of_part);
        *of_part -= amount;
        if *of_part == 0 {
            of_caller.parts.remove(part);
            self.parts -= 1;
        }
        of_caller.total -= amount;
        if of_caller.parts.is_empty() {
            self.callers.remove(&caller);
        }
        self.total -= amount;
    }

    /// Returns how much is held by all together.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Returns how many parts of callers hold anything.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }
}

/// A bounded number of permits, allotted to callers and their parts.
pub(crate) struct AllottedPermits<P> {
    most: usize,
    counts: Arc<Lock<Counts<P>>>,
}

/// A permit for one part of a caller, returned when it is dropped.
pub(crate) struct AllottedPermit<P: Clone + Eq + Hash> {
    caller: CallerTag,
    part: P,
    counts: Arc<Lock<Counts<P>>>,
}

impl<P: Clone + Eq + Hash> AllottedPermits<P> {
    /// Allows `most` permits at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            counts: Arc::default(),
        }
    }

    /// Takes a permit, if this part of the caller may have one more.
    pub(crate) fn take(&self, caller: CallerTag, part: P) -> Option<AllottedPermit<P>> {
        let mut counts = self.counts.lock();
        if !counts.may_grow(self.most, caller, &part) {
            return None;
        }
        counts.add(caller, part.clone(), 1);
        drop(counts);
        Some(AllottedPermit {
            caller,
            part,
            counts: Arc::clone(&self.counts),
        })
    }

    /// Returns how many permits are held.
    pub(crate) fn total(&self) -> usize {
        self.counts.lock().total()
    }

    /// Returns how many permits there are.
    pub(crate) fn most(&self) -> usize {
        self.most
    }
}

impl<P: Clone + Eq + Hash> Drop for AllottedPermit<P> {
    fn drop(&mut self) {
        self.counts.lock().remove(self.caller, &self.part, 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn caller(number: u8) -> CallerTag {
        CallerTag::new([number; 16])
    }

    fn flood(permits: &AllottedPermits<u32>, by: u8, rooms: u32) -> Vec<AllottedPermit<u32>> {
        let mut held = Vec::new();
        // A room that is refused once is refused until something is given back.
        for room in 0..rooms {
            held.extend(std::iter::from_fn(|| permits.take(caller(by), room)));
        }
        held
    }

    #[test]
    fn a_flood_leaves_permits_for_others_from_however_many_rooms_it_comes() {
        for (rooms, taken) in [(1, 51), (2, 63), (255, 67)] {
            let permits = AllottedPermits::new(100);
            let first = flood(&permits, 1, rooms);
            assert_eq!(first.len(), taken, "from {rooms} rooms");
            assert!(permits.take(caller(1), 0).is_none());
            let second = flood(&permits, 2, rooms);
            assert!(!second.is_empty());
            assert!(permits.take(caller(3), 0).is_some());
            drop((first, second));
            assert_eq!(permits.total(), 0);
            assert!(permits.counts.lock().callers.is_empty());
        }
    }

    #[test]
    fn an_only_permit_is_given() {
        let permits = AllottedPermits::new(1);
        let only = permits.take(caller(1), "room");
        assert!(only.is_some());
        assert!(permits.take(caller(2), "other").is_none());
    }

    proptest! {
        /// Whatever three other callers have taken, a fourth finds a permit.
        #[test]
        fn a_newcomer_always_finds_a_permit(
            most in 54_usize..400,
            takes in proptest::collection::vec((0_u8..3, 0_u32..300), 0..1_500),
        ) {
            let permits = AllottedPermits::new(most);
            let held: Vec<_> = takes
                .iter()
                .filter_map(|(by, room)| permits.take(caller(*by), *room))
                .collect();
            prop_assert!(held.len() <= most);
            // Three callers that flood one after the other leave a third of a third of a third.
            prop_assert!(held.len() < most);
            prop_assert!(permits.take(caller(9), 0).is_some());
        }

        #[test]
        fn what_is_added_and_removed_is_as_if_it_had_never_been(
            steps in proptest::collection::vec((0_u8..3, 0_u32..3, 1_usize..50), 0..60),
        ) {
            let mut counts = Counts::default();
            for (by, part, amount) in &steps {
                counts.add(caller(*by), *part, *amount);
            }
            for (by, part, amount) in &steps {
                counts.remove(caller(*by), part, *amount);
            }
            prop_assert_eq!((counts.total(), counts.parts()), (0, 0));
            prop_assert!(counts.callers.is_empty());
        }
    }
}
