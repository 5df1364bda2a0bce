//! Callbacks that wait for their next attempt, counted by caller and receiver.
//!
//! The queue's places for them are common to all, so without this bound ten thousand callbacks to
//! receivers that never answer would displace everybody else's. Each API counts those that it has
//! put back itself, for as long as the pause that it gave them.

use std::time::{Duration, Instant};

use warren_queue::{Callback, MAX_QUEUED_CALLBACKS};

use crate::sync::{Hold, Lock, TimedCounts};

/// The most that wait: as many as one of the queue's places for them holds.
const MOST: usize = MAX_QUEUED_CALLBACKS as usize;

/// The callbacks that wait.
pub(super) struct WaitingCallbacks {
    most: usize,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// By a number of their own, until when each has waited long enough.
    waiting: TimedCounts<u64, Instant, Receiver>,
    number: u64,
}

/// The receiver of a callback: the host and the port of its address, which do not change with the
/// addresses that a name has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Receiver(String);

impl Receiver {
    pub(super) fn of(callback: &Callback) -> Self {
        let url = callback.url.url();
        let port = url.port_or_known_default().unwrap_or_default();
        Self(format!("{}:{port}", url.host_str().unwrap_or_default()))
    }
}

impl Default for WaitingCallbacks {
    fn default() -> Self {
        Self {
            most: MOST,
            state: Lock::default(),
        }
    }
}

impl WaitingCallbacks {
    /// Counts a callback that is to wait for so long. Returns false if its caller or its receiver
    /// has too many that wait.
    pub(super) fn admit(&self, callback: &Callback, pause: Duration) -> bool {
        self.admit_at(callback, pause, Instant::now())
    }

    fn admit_at(&self, callback: &Callback, pause: Duration, now: Instant) -> bool {
        let hold = Hold {
            caller: callback.caller.unwrap_or_default(),
            part: Receiver::of(callback),
            end: now + pause,
        };
        let mut state = self.state.lock();
        state.number += 1;
        let key = state.number;
        state.waiting.hold(self.most, now, key, hold).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use warren_protocol::ids::{CallerTag, JobId};

    use super::*;

    fn callback(caller: u8, host: &str) -> Callback {
        let url = format!("https://{host}/hook").parse().unwrap();
        Callback {
            caller: Some(CallerTag::new([caller; 16])),
            ..Callback::new(JobId::new(), url)
        }
    }

    #[test]
    fn callbacks_to_dead_receivers_leave_room_for_those_of_others() {
        let waiting = WaitingCallbacks {
            most: 300,
            ..WaitingCallbacks::default()
        };
        let (now, pause) = (Instant::now(), Duration::from_secs(10));
        let admits =
            |caller, host: &str, now| waiting.admit_at(&callback(caller, host), pause, now);
        // One receiver gets half, however many callbacks it has; many of one caller two thirds.
        let one = (0..1_000)
            .filter(|_| admits(1, "dead.example", now))
            .count();
        assert!((145..=155).contains(&one), "{one}");
        assert!(admits(1, "alive.example", now));
        let many = (0..1_000).filter(|n| admits(1, &format!("d{n}.example"), now));
        let all = one + 1 + many.count();
        assert!((195..=205).contains(&all), "{all}");
        assert!(admits(2, "dead.example", now));
        // Once their pause is over they no longer count.
        assert!(admits(1, "dead.example", now + pause * 2));
        assert_eq!(waiting.state.lock().waiting.sizes(), [1; 3]);
    }
}
