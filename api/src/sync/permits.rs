//! Permits that are counted by key, such as by receiver.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::Lock;

/// The permits that are held, by key. A key without held permits takes no memory.
pub(crate) struct KeyedPermits<K>(Arc<Lock<HashMap<K, usize>>>);

/// A permit for one key, returned when it is dropped.
pub(crate) struct Permit<K: Eq + Hash> {
    key: K,
    held: Arc<Lock<HashMap<K, usize>>>,
}

impl<K> Default for KeyedPermits<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> KeyedPermits<K> {
    /// Takes a permit for `key`, which may hold `most` of them.
    pub(crate) fn take(&self, key: K, most: usize) -> Option<Permit<K>> {
        let mut held = self.0.lock();
        let of_key = held.get(&key).copied().unwrap_or_default();
        if of_key >= most {
            return None;
        }
        held.insert(key.clone(), of_key + 1);
        drop(held);
        Some(Permit {
            key,
            held: Arc::clone(&self.0),
        })
    }

    /// Returns the number of keys with held permits.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.0.lock().len()
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(of_key) = held.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                held.remove(&self.key);
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
        let first = permits.take("a", 2).unwrap();
        let second = permits.take("a", 2).unwrap();
        assert!(permits.take("a", 2).is_none());
        let other = permits.take("b", 2).unwrap();
        assert_eq!(permits.keys(), 2);
        drop(first);
        assert!(permits.take("a", 2).is_some());
        drop((second, other));
        assert_eq!(permits.keys(), 0);
    }
}
