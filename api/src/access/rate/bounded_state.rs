//! Bounded state of a rate limiter: one number per client.
//!
//! Clients beyond the capacity share one number.

use std::collections::HashMap;

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use super::who::Who;
use crate::sync::Lock;

/// One number for each client. Clients that come when it is full share one number, so they are
/// neither exempt from the limit nor refused because of it.
pub(super) struct BoundedState {
    most: usize,
    numbers: Lock<HashMap<Who, Nanos>>,
}

impl BoundedState {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            numbers: Lock::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Who, Nanos>) -> T) -> T {
        act(&mut self.numbers.lock())
    }
}

impl StateStore for BoundedState {
    type Key = Who;

    fn measure_and_replace<T, F, E>(&self, who: &Who, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.with(|numbers| {
            let has_place = numbers.len() < self.most || numbers.contains_key(who);
            let who = if has_place { who } else { &Who::Others };
            let (outcome, number) = measure(numbers.get(who).copied())?;
            numbers.insert(who.clone(), number);
            Ok(outcome)
        })
    }
}

impl ShrinkableKeyedStateStore<Who> for BoundedState {
    fn retain_recent(&self, drop_below: Nanos) {
        self.with(|numbers| numbers.retain(|_who, number| *number > drop_below));
    }

    fn len(&self) -> usize {
        self.with(|numbers| numbers.len())
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
