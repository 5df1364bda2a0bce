//! Counts of what is held for a time, and ends by itself.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use warren_protocol::ids::CallerTag;

use super::Counts;
use super::allotments::Held;

/// What callers and their parts hold, each by a key and until a time.
#[derive(Debug)]
pub(crate) struct TimedCounts<K, T, P> {
    counts: Counts<P>,
    holds: HashMap<K, Hold<T, P>>,
    /// The same holds, by when they end.
    ends: BTreeSet<(T, K)>,
}

/// One hold.
#[derive(Debug)]
pub(crate) struct Hold<T, P> {
    pub(crate) caller: CallerTag,
    /// The part of the caller: a room, or the receiver of a callback.
    pub(crate) part: P,
    /// When it ends by itself.
    pub(crate) end: T,
}

/// The caller's part may have no more; with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldsAll(pub(crate) Held);

impl<K, T, P> Default for TimedCounts<K, T, P> {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            holds: HashMap::new(),
            ends: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord, T: Copy + Ord, P: Clone + Eq + Hash> TimedCounts<K, T, P> {
    /// Adds a hold, if its caller's part may have one more of `most` once those that have ended by `now`
    /// are gone. Returns what was held before it.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn hold(
        &mut self,
        most: usize,
        now: T,
        key: K,
        hold: Hold<T, P>,
    ) -> Result<Held, HoldsAll> {
        self.end_before(now);
        let held = self.counts.held(hold.caller, &hold.part);
        if !self.counts.may_grow(most, hold.caller, &hold.part) {
            return Err(HoldsAll(held));
        }
        self.counts.add(hold.caller, hold.part.clone(), 1);
        self.ends.insert((hold.end, key));
        self.holds.insert(key, hold);
        Ok(held)
    }

    /// Ends a hold, if there is one of that key.
    pub(crate) fn end(&mut self, key: K) {
        if let Some(Hold { caller, part, end }) = self.holds.remove(&key) {
            self.counts.remove(caller, &part, 1);
            self.ends.remove(&(end, key));
        }
    }

    fn end_before(&mut self, now: T) {
        while let Some((end, key)) = self.ends.first().copied()
            && end < now
        {
            self.end(key);
        }
    }

    /// Returns how many there are.
    pub(crate) fn total(&self) -> usize {
        self.counts.total()
    }

    /// Returns the sizes of all that it keeps, which are equal.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.counts.total(), self.holds.len(), self.ends.len()]
    }
}
