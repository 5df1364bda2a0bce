//! Permits that are counted by key: by room, or by receiver.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::Lock;

/// The permits that are held, by key. A key without held permits takes no memory.
pub(crate) struct KeyedPermits<K>(Arc<Lock<HeldCounts<K>>>);

struct HeldCounts<K> {
    total: usize,
    by_key: HashMap<K, usize>,
}

/// A permit for one key, returned when it is dropped.
pub(crate) struct Permit<K: Eq + Hash> {
    key: K,
    held: Arc<Lock<HeldCounts<K>>>,
}

impl<K> Default for KeyedPermits<K> {
    fn default() -> Self {
        Self(Arc::new(Lock::new(HeldCounts {
            total: 0,
            by_key: HashMap::new(),
        })))
    }
}

impl<K: Clone + Eq + Hash> KeyedPermits<K> {
    /// Takes a permit for `key`, if `allows` agrees. It gets the numbers of permits held for this
    /// key and in total.
    pub(crate) fn take(
        &self,
        key: K,
        allows: impl FnOnce(usize, usize) -> bool,
    ) -> Option<Permit<K>> {
        let mut held = self.0.lock();
        let of_key = held.by_key.get(&key).copied().unwrap_or_default();
        if !allows(of_key, held.total) {
            return None;
        }
        held.total += 1;
        held.by_key.insert(key.clone(), of_key + 1);
        drop(held);
        Some(Permit {
            key,
            held: Arc::clone(&self.0),
        })
    }

    /// Returns how many permits are held.
    pub(crate) fn total(&self) -> usize {
        self.0.lock().total
    }

    /// Returns the number of keys with held permits.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.0.lock().by_key.len()
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        held.total -= 1;
        if let Some(of_key) = held.by_key.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                held.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_by_key_and_leave_nothing_behind() {
        let permits = KeyedPermits::default();
        let at_most_two = |of_key, total| of_key < 2 && total < 3;
        let first = permits.take("a", at_most_two).unwrap();
        let second = permits.take("a", at_most_two).unwrap();
        assert!(permits.take("a", at_most_two).is_none());
        let other = permits.take("b", at_most_two).unwrap();
        assert!(permits.take("c", at_most_two).is_none());
        assert_eq!((permits.total(), permits.keys()), (3, 2));
        drop(first);
        assert!(permits.take("a", at_most_two).is_some());
        drop((second, other));
        assert_eq!((permits.total(), permits.keys()), (0, 0));
    }
}
