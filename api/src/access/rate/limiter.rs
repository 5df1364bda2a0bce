//! Limiter that applies one limit to many clients.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;

use super::bounded_state::BoundedState;
use super::limit::Limit;
use super::who::Who;

/// How many clients are counted separately. An attacker may have more addresses than fit into
/// memory.
const PLACES: usize = 50_000;
/// The number of requests after which clients that have not come for long are forgotten.
const SWEEP: u32 = 1024;

/// A limiter: one limit for each of many clients.
pub(super) struct Limiter<C: Clock = DefaultClock> {
    limit: Limit,
    clock: C,
    inner: RateLimiter<Who, BoundedState, C, StateInformationMiddleware>,
    since_sweep: AtomicU32,
}

/// The rest of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// The time until the whole limit is available again.
    pub(super) reset: Duration,
}

/// A limit that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) left: Left,
    pub(super) cause: ExceededBy,
}

/// The reason why a limit is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExceededBy {
    /// Too many requests came. Enough are allowed again after this time.
    TooSoon(Duration),
    /// The limit never allows this many at once.
    TooMany,
}

impl Limiter {
    pub(super) fn new(limit: Limit) -> Self {
        Self::with(limit, PLACES, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limiter<C> {
    fn with(limit: Limit, places: usize, clock: C) -> Self {
        let inner = RateLimiter::new(limit.quota(), BoundedState::new(places), clock.clone());
        Self {
            limit,
            clock,
            inner,
            since_sweep: AtomicU32::new(0),
        }
    }

    /// Takes `count` from what this client has left, or nothing if less is left.
    pub(super) fn take(&self, who: &Who, count: NonZeroU32) -> Result<Left, Exceeded> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) >= SWEEP {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.inner.retain_recent();
        }
        let left = |remaining: u32| {
            let limit = self.limit.burst().get();
            let spent = limit.saturating_sub(remaining);
            Left {
                limit,
                remaining,
                reset: self.limit.interval() * spent,
            }
        };
        let exceeded = |cause| Exceeded {
            left: left(0),
            cause,
        };
        match self.inner.check_key_n(who, count) {
            Ok(Ok(state)) => Ok(left(state.remaining_burst_capacity())),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.clock.now());
                Err(exceeded(ExceededBy::TooSoon(wait)))
            }
            Err(_more_than_at_once) => Err(exceeded(ExceededBy::TooMany)),
        }
    }

    /// Returns whether no client is counted.
    pub(super) fn is_idle(&self) -> bool {
        self.inner.retain_recent();
        self.inner.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limiter(places: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let number = |n| NonZeroU32::new(n).unwrap();
        // One every six seconds, and three at once.
        let limit = Limit::new(number(10), Some(number(3))).unwrap();
        (Limiter::with(limit, places, clock.clone()), clock)
    }

    fn room(number: u32) -> Who {
        Who::Room(format!("room-{number}").parse().unwrap())
    }

    const ONE: NonZeroU32 = NonZeroU32::MIN;
    const SIX: Duration = Duration::from_secs(6);

    #[test]
    fn so_many_at_once_and_then_evenly() {
        let (limiter, clock) = limiter(10);
        for remaining in [2, 1, 0] {
            let left = limiter.take(&room(1), ONE).unwrap();
            assert_eq!((left.limit, left.remaining), (3, remaining));
            assert_eq!(left.reset, SIX * (3 - remaining));
        }
        let exceeded = limiter.take(&room(1), ONE).unwrap_err();
        assert_eq!(exceeded.cause, ExceededBy::TooSoon(SIX));
        assert_eq!(exceeded.left.remaining, 0);
        assert!(limiter.take(&room(2), ONE).is_ok(), "another has its own");

        clock.advance(SIX - Duration::from_millis(1));
        assert!(limiter.take(&room(1), ONE).is_err());
        clock.advance(Duration::from_millis(1));
        assert!(limiter.take(&room(1), ONE).is_ok());
        assert!(limiter.take(&room(1), ONE).is_err());
    }

    #[test]
    fn a_batch_is_taken_whole_or_not() {
        let (limiter, clock) = limiter(10);
        let (two, four) = (NonZeroU32::new(2).unwrap(), NonZeroU32::new(4).unwrap());
        assert_eq!(limiter.take(&room(1), two).unwrap().remaining, 1);
        let exceeded = limiter.take(&room(1), two).unwrap_err();
        assert_eq!(exceeded.cause, ExceededBy::TooSoon(SIX));
        assert!(limiter.take(&room(1), ONE).is_ok(), "nothing was taken");
        clock.advance(SIX * 10);
        let exceeded = limiter.take(&room(1), four).unwrap_err();
        assert_eq!(exceeded.cause, ExceededBy::TooMany);
    }

    #[test]
    fn those_without_a_place_share_one_until_others_are_forgotten() {
        let (limiter, clock) = limiter(5);
        for number in 0..5 {
            assert_eq!(limiter.take(&room(number), ONE).unwrap().remaining, 2);
        }
        for remaining in [2, 1, 0] {
            let number = 100 + remaining;
            let left = limiter.take(&room(number), ONE).unwrap();
            assert_eq!(left.remaining, remaining);
        }
        assert!(limiter.take(&room(200), ONE).is_err());
        assert!(limiter.take(&room(0), ONE).is_ok(), "it has its place");
        clock.advance(SIX * 10);
        assert!(limiter.is_idle());
        assert_eq!(limiter.take(&room(200), ONE).unwrap().remaining, 2);
    }
}
