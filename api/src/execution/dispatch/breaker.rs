//! Circuit breaker of a fallback. Pure: the clock is passed in.
//!
//! It is closed until something goes wrong for which the backend itself is to blame. Then it is
//! open for a pause, after which one job may try (half-open). If that fails too, the next pause is
//! twice as long.

use std::time::{Duration, Instant};

/// The first pause; each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause, if the other side does not ask for more.
const LAST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest pause, whatever the other side asks for.
const LONGEST_WISH: Duration = Duration::from_secs(60 * 60);

/// The breaker of one backend.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    // Trials that began before the last change of state do not count after it.
    epoch: u64,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Instant, trip: Trip },
    Probing { trip: Trip },
}

/// The reason why a breaker opened.
#[derive(Clone, Debug)]
struct Trip {
    pause: Duration,
    reason: String,
}

/// A permission to use the backend once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    epoch: u64,
}

/// The state of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// The backend is used.
    Closed,
    /// The next job, or the one that is under way, decides.
    HalfOpen {
        /// The last failure.
        reason: String,
    },
    /// The backend is not used.
    Open {
        /// The time until the next trial.
        left: Duration,
        /// The failure that opened it.
        reason: String,
    },
}

impl Breaker {
    /// Builds a closed breaker.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
        }
    }

    /// Asks to use the backend now.
    ///
    /// # Errors
    /// It may not be used; the error is the breaker's state.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<Trial, BreakerState> {
        match &self.state {
            State::Open { until, trip } if now >= *until => {
                let trip = trip.clone();
                self.enter(State::Probing { trip });
            }
            State::Closed => {}
            State::Open { .. } | State::Probing { .. } => return Err(self.state(now)),
        }
        Ok(Trial { epoch: self.epoch })
    }

    /// Reports that the backend worked.
    pub(crate) fn succeeded(&mut self, trial: Trial) {
        if trial.epoch == self.epoch && matches!(self.state, State::Probing { .. }) {
            self.enter(State::Closed);
        }
    }

    /// Reports a failure that other jobs would meet as well. `wish` is how long the other side asks
    /// not to be called.
    pub(crate) fn failed(
        &mut self,
        trial: Trial,
        now: Instant,
        wish: Option<Duration>,
        reason: &str,
    ) {
        if trial.epoch != self.epoch {
            return;
        }
        let pause = match &self.state {
            State::Probing { trip } => (trip.pause * 2).min(LAST_PAUSE),
            State::Closed | State::Open { .. } => FIRST_PAUSE,
        };
        let wish = wish.unwrap_or_default().min(LONGEST_WISH);
        let reason = reason.to_owned();
        self.enter(State::Open {
            until: now + pause.max(wish),
            trip: Trip { pause, reason },
        });
    }

    /// Reports that the trial ended without a result: the next job may try.
    pub(crate) fn abandoned(&mut self, trial: Trial, now: Instant) {
        if trial.epoch != self.epoch {
            return;
        }
        if let State::Probing { trip } = &self.state {
            let trip = trip.clone();
            self.enter(State::Open { until: now, trip });
        }
    }

    /// Returns its state.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match &self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until, trip } if now < *until => BreakerState::Open {
                left: *until - now,
                reason: trip.reason.clone(),
            },
            State::Open { trip, .. } | State::Probing { trip } => BreakerState::HalfOpen {
                reason: trip.reason.clone(),
            },
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_for(breaker: &Breaker, now: Instant) -> Option<Duration> {
        match breaker.state(now) {
            BreakerState::Open { left, .. } => Some(left),
            _ => None,
        }
    }

    #[test]
    fn one_failure_opens_and_the_reason_is_reported() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let trial = breaker.ask(now).unwrap();
        breaker.failed(trial, now, None, "401");
        let open = BreakerState::Open {
            left: FIRST_PAUSE,
            reason: "401".into(),
        };
        assert_eq!(breaker.ask(now), Err(open));
    }

    #[test]
    fn after_the_pause_one_probe_goes_and_decides() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let trial = breaker.ask(now).unwrap();
        breaker.failed(trial, now, None, "429");
        let now = now + FIRST_PAUSE;
        let probe = breaker.ask(now).unwrap();
        let reason = "429".to_owned();
        assert_eq!(breaker.ask(now), Err(BreakerState::HalfOpen { reason }));
        breaker.succeeded(probe);
        assert_eq!(breaker.state(now), BreakerState::Closed);
        assert!(breaker.ask(now).is_ok() && breaker.ask(now).is_ok());
    }

    #[test]
    fn pauses_double_up_to_the_last_and_begin_anew_after_a_success() {
        let (mut breaker, mut now) = (Breaker::new(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let trial = breaker.ask(now).unwrap();
            breaker.failed(trial, now, None, "503");
            let pause = open_for(&breaker, now).unwrap();
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        let probe = breaker.ask(now).unwrap();
        breaker.succeeded(probe);
        let trial = breaker.ask(now).unwrap();
        breaker.failed(trial, now, None, "503");
        assert_eq!(open_for(&breaker, now), Some(FIRST_PAUSE));
    }

    #[test]
    fn the_other_side_may_ask_for_more_but_not_for_ever() {
        for (wish, pause) in [(1, 5), (90, 90), (1_000_000, 3_600)] {
            let (mut breaker, now) = (Breaker::new(), Instant::now());
            let trial = breaker.ask(now).unwrap();
            breaker.failed(trial, now, Some(Duration::from_secs(wish)), "429");
            let pause = Duration::from_secs(pause);
            assert_eq!(open_for(&breaker, now), Some(pause), "{wish}");
        }
    }

    #[test]
    fn what_began_before_it_opened_changes_nothing_after() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let early = breaker.ask(now).unwrap();
        let first = breaker.ask(now).unwrap();
        breaker.failed(first, now, None, "401");
        breaker.failed(early, now, Some(LONGEST_WISH), "401");
        assert_eq!(open_for(&breaker, now), Some(FIRST_PAUSE));
        breaker.succeeded(early);
        assert_eq!(open_for(&breaker, now), Some(FIRST_PAUSE));
        let probe = breaker.ask(now + FIRST_PAUSE).unwrap();
        breaker.succeeded(early);
        assert!(breaker.ask(now + FIRST_PAUSE).is_err(), "still one probe");
        breaker.succeeded(probe);
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_turn_to_the_next() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let trial = breaker.ask(now).unwrap();
        breaker.failed(trial, now, None, "503");
        let now = now + FIRST_PAUSE;
        let probe = breaker.ask(now).unwrap();
        breaker.abandoned(probe, now);
        let next = breaker.ask(now).unwrap();
        breaker.abandoned(probe, now);
        assert!(breaker.ask(now).is_err(), "an old probe lets nobody in");
        breaker.failed(next, now, None, "503");
        assert_eq!(open_for(&breaker, now), Some(FIRST_PAUSE * 2));
    }
}
