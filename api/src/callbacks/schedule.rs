//! Schedule of retries, and the end of a callback. Pure.

use std::time::Duration;

use warren_queue::{Callback, LONGEST_CALLBACK_PAUSE};

/// The age at which a callback that could not be posted is given up, whatever the reason.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause before a postponed callback is tried again; doubled each time, up to the last.
const FIRST_PUT_OFF: Duration = Duration::from_secs(1);
const LAST_PUT_OFF: Duration = Duration::from_secs(60);
/// The most pauses that an operator can set.
const MAX_TRIES: usize = 16;

/// The pauses after the first attempt, the second, and so on. The callback is given up after the
/// attempt that follows the last pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Default for Schedule {
    fn default() -> Self {
        Self([5, 30, 120, 600, 3600].map(Duration::from_secs).to_vec())
    }
}

/// A text that is not a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one to {MAX_TRIES} pauses in milliseconds, separated by commas, each at most {}, like 5000,30000,120000,600000,3600000",
    LONGEST_CALLBACK_PAUSE.as_millis()
)]
pub struct InvalidSchedule;

impl std::str::FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pause = |text: &str| {
            let pause = Duration::from_millis(text.trim().parse().ok()?);
            (pause <= LONGEST_CALLBACK_PAUSE).then_some(pause)
        };
        let pauses: Option<Vec<_>> = text.split(',').map(pause).collect();
        pauses
            .filter(|pauses| (1..=MAX_TRIES).contains(&pauses.len()))
            .map(Self)
            .ok_or(InvalidSchedule)
    }
}

/// The next step of a callback that was not posted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Queue this callback after a pause.
    Again(Callback, Duration),
    /// Give it up.
    GivenUp,
}

impl Schedule {
    /// Decides after a failed attempt; `asked` is the pause that the receiver asks for. `jitter` is
    /// from 0 to 1, so that a receiver that comes back does not get all it missed at once.
    pub(super) fn after_failure(
        &self,
        callback: &Callback,
        age: Duration,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Next {
        let done = usize::try_from(callback.tries).unwrap_or(usize::MAX);
        let Some(pause) = self.0.get(done).filter(|_pause| age < MAX_AGE) else {
            return Next::GivenUp;
        };
        // Shorter and not longer, because the queue's own pauses are upper bounds. The receiver's
        // pause is a lower bound.
        let pause = pause.mul_f64(1.0 - jitter / 4.0);
        let asked = asked.unwrap_or_default().min(LONGEST_CALLBACK_PAUSE);
        let next = Callback {
            tries: callback.tries + 1,
            put_off: 0,
            ..callback.clone()
        };
        Next::Again(next, pause.max(asked))
    }

    /// Decides after a callback was postponed through no fault of the receiver.
    pub(super) fn after_put_off(&self, callback: &Callback, age: Duration, jitter: f64) -> Next {
        if age >= MAX_AGE {
            return Next::GivenUp;
        }
        let doubled = FIRST_PUT_OFF.saturating_mul(1 << callback.put_off.min(16));
        let pause = doubled.min(LAST_PUT_OFF).mul_f64(1.0 - jitter / 4.0);
        let next = Callback {
            put_off: callback.put_off.saturating_add(1),
            ..callback.clone()
        };
        Next::Again(next, pause)
    }
}

#[cfg(test)]
mod tests {
    use warren_protocol::ids::JobId;

    use super::*;

    fn callback(tries: u32, put_off: u32) -> Callback {
        let url = "https://example.com/".parse().unwrap();
        Callback {
            tries,
            put_off,
            ..Callback::new(JobId::new(), url)
        }
    }

    fn pause(next: &Next) -> Duration {
        match next {
            Next::Again(_, pause) => *pause,
            Next::GivenUp => panic!("given up"),
        }
    }

    #[test]
    fn pauses_grow_and_the_last_try_is_the_last() {
        let (schedule, mut next) = (Schedule::default(), callback(0, 3));
        for seconds in [5, 30, 120, 600, 3600] {
            let full = Duration::from_secs(seconds);
            let least = schedule.after_failure(&next, Duration::ZERO, None, 1.0);
            assert_eq!(pause(&least), full.mul_f64(0.75));
            match schedule.after_failure(&next, Duration::ZERO, None, 0.0) {
                Next::Again(again, pause) => {
                    assert_eq!(pause, full);
                    assert_eq!((again.tries, again.put_off), (next.tries + 1, 0));
                    next = again;
                }
                Next::GivenUp => panic!("given up after {}", next.tries),
            }
        }
        let last = schedule.after_failure(&next, Duration::ZERO, None, 0.0);
        assert_eq!(last, Next::GivenUp);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever_and_not_for_less() {
        let (schedule, first) = (Schedule::default(), callback(0, 0));
        let asked = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            pause(&schedule.after_failure(&first, Duration::ZERO, asked, 0.0)).as_secs()
        };
        assert_eq!((asked(0), asked(90), asked(1 << 40)), (5, 90, 3600));
    }

    #[test]
    fn putting_off_costs_no_try_and_ends_after_a_day() {
        let schedule = Schedule::default();
        for (put_off, seconds) in [(0, 1), (3, 8), (6, 60), (u32::MAX, 60)] {
            let next = schedule.after_put_off(&callback(2, put_off), Duration::ZERO, 0.0);
            assert_eq!(pause(&next), Duration::from_secs(seconds), "{put_off}");
            assert!(matches!(next, Next::Again(again, _) if again.tries == 2));
        }
        let old = schedule.after_put_off(&callback(0, 0), MAX_AGE, 0.0);
        assert_eq!(old, Next::GivenUp);
        let old = schedule.after_failure(&callback(0, 0), MAX_AGE, None, 0.0);
        assert_eq!(old, Next::GivenUp);
    }

    #[test]
    fn a_schedule_is_read_from_text() {
        let two: Schedule = "10, 3600000".parse().unwrap();
        assert_eq!(two.0, [10, 3_600_000].map(Duration::from_millis));
        let many = "1,".repeat(MAX_TRIES) + "1";
        for bad in ["", ",", "-1", "x", "1,,2", "3600001", &many] {
            assert_eq!(bad.parse::<Schedule>(), Err(InvalidSchedule), "{bad}");
        }
    }
}
