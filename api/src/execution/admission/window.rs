//! Window: how many jobs may be with the queue at a time. Pure.

use std::time::{Duration, Instant};

use super::supply::Supply;

/// The most jobs that may be with the queue at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Of all together.
    pub(super) all: u32,
    /// Of each caller.
    pub(super) caller: u32,
    /// Of each room of a caller.
    pub(super) room: u32,
}

/// For each so many slots, the queue gets one job more than there are slots, so that a worker that
/// has done a job finds the next.
const SLOTS_FOR_ONE_AHEAD: u32 = 4;
/// The least number of such jobs.
const AHEAD: u32 = 1;

/// How many jobs the queue gets until a worker has announced itself: about as many as a small
/// worker takes in half a second. With more, a flood at an API's start would be ahead of everybody
/// for seconds.
const UNHEARD: u32 = 8;

/// The number of slots from which on one is withheld from each caller and each room. With fewer
/// slots this would cost too much.
const SLOTS_TO_SPARE_ONE: u32 = 4;

/// How long a caller or a room counts as present after its last job.
const COMPANY: Duration = Duration::from_secs(60);

/// Whether several callers, or several rooms, are present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Company {
    pub(super) callers: bool,
    pub(super) rooms: bool,
}

impl Window {
    /// Computes the window for the workers' supply. It is a guess until the supply is known, which
    /// takes an API's first second at most. While other callers are present, none gets the last
    /// slot: it is reserved for the next job of another. While other rooms are, no room does.
    pub(super) fn of(supply: Option<Supply>, company: Company) -> Self {
        let Some(supply) = supply else {
            return Self {
                all: UNHEARD,
                caller: UNHEARD,
                room: UNHEARD,
            };
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of a thousand workers' slots"
        )]
        let slots = supply.slots as u32;
        let all = slots + (slots / SLOTS_FOR_ONE_AHEAD).max(AHEAD);
        let has_spare = slots >= SLOTS_TO_SPARE_ONE;
        let each = |is_mixed| {
            if is_mixed && has_spare {
                slots - 1
            } else {
                all
            }
        };
        Self {
            all,
            caller: each(company.callers),
            room: each(company.rooms),
        }
    }
}

/// Notices whether jobs come from one or from several: callers, or rooms.
#[derive(Debug)]
pub(super) struct Mixture<K> {
    last: Option<K>,
    /// When the last one differed from the one before.
    mixed: Option<Instant>,
}

impl<K> Default for Mixture<K> {
    fn default() -> Self {
        Self {
            last: None,
            mixed: None,
        }
    }
}

impl<K: PartialEq> Mixture<K> {
    /// Notes that a job of this one came.
    pub(super) fn came(&mut self, one: K, now: Instant) {
        if self.last.as_ref() != Some(&one) {
            let last = self.last.replace(one);
            self.mixed = last.map(|_other| now).or(self.mixed);
        }
    }

    /// Returns whether several are present.
    pub(super) fn is_mixed(&self, now: Instant) -> bool {
        let lately = |mixed| now.saturating_duration_since(mixed) < COMPANY;
        self.mixed.is_some_and(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_noticed_and_forgotten() {
        let (mut mixture, start) = (Mixture::default(), Instant::now());
        mixture.came("a", start);
        mixture.came("a", start);
        assert!(!mixture.is_mixed(start));
        mixture.came("b", start);
        assert!(mixture.is_mixed(start));
        mixture.came("b", start + COMPANY);
        assert!(!mixture.is_mixed(start + COMPANY));
    }

    #[test]
    fn the_last_slot_is_kept_for_others_that_are_present() {
        let supply = |slots| {
            Some(Supply {
                slots,
                service: None,
                everywhere: 0.0,
            })
        };
        let window = |slots, callers, rooms| {
            let Window { all, caller, room } =
                Window::of(supply(slots), Company { callers, rooms });
            (all, caller, room)
        };
        assert_eq!(window(4.0, false, false), (5, 5, 5));
        assert_eq!(window(4.0, false, true), (5, 5, 3));
        assert_eq!(window(4.0, true, true), (5, 3, 3));
        assert_eq!(window(2.0, true, true), (3, 3, 3));
    }
}
