//! Fair queue of the admitted jobs: room by room in turn. Pure.
//!
//! Each room's next job waits for no more than one job of every other room. A job is assigned the
//! round after its room's last one, or after the one that is served now. Rounds are served one
//! after the other, each first come first served (start-time fair queueing with jobs of equal
//! size).

use std::collections::{BTreeMap, HashMap};

use super::supply::Supply;

/// The position of a job: its round, and its number among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    round: u64,
    number: u64,
}

/// The jobs that wait, in their order.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    waiting: BTreeMap<Position, (String, T)>,
    rooms: HashMap<String, Room>,
    round: u64,
    number: u64,
    sent: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Room {
    /// The round of its last job.
    last: u64,
    waiting: u32,
    sent: u32,
}

/// The most jobs that may be with the queue at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Of all rooms together.
    pub(super) all: u32,
    /// Of each room.
    pub(super) each: u32,
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

/// The number of slots from which on one is withheld from each room. With fewer slots this would
/// cost too much.
const SLOTS_TO_SPARE_ONE: u32 = 4;

impl Window {
    /// Computes the window for the workers' supply. It is a guess until the supply is known, which
    /// takes an API's first second at most. While other rooms are present, no room gets the last
    /// slot: it is reserved for the next job of another.
    pub(super) fn of(supply: Option<Supply>, is_mixed: bool) -> Self {
        let Some(supply) = supply else {
            return Self {
                all: UNHEARD,
                each: UNHEARD,
            };
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of a thousand workers' slots"
        )]
        let slots = supply.slots as u32;
        let all = slots + (slots / SLOTS_FOR_ONE_AHEAD).max(AHEAD);
        let has_spare = is_mixed && slots >= SLOTS_TO_SPARE_ONE;
        let each = if has_spare { slots - 1 } else { all };
        Self { all, each }
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            rooms: HashMap::new(),
            round: 0,
            number: 0,
            sent: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Returns how many jobs are with the queue.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// Returns how many jobs would go before the next one of this room, including those that are
    /// with the queue.
    pub(super) fn ahead_of(&self, room: &str) -> u32 {
        let round = self.next_round(room);
        let next = Position {
            round,
            number: u64::MAX,
        };
        let waiting = self.waiting.range(..next).count();
        self.sent
            .saturating_add(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// Enqueues a job of this room.
    pub(super) fn wait(&mut self, room: &str, job: T) -> Position {
        let round = self.next_round(room);
        self.number += 1;
        let position = Position {
            round,
            number: self.number,
        };
        let entry = self.rooms.entry(room.to_owned()).or_default();
        entry.last = round;
        entry.waiting += 1;
        self.waiting.insert(position, (room.to_owned(), job));
        position
    }

    /// Returns the next job that may go to the queue, if there is one.
    pub(super) fn send(&mut self, window: Window) -> Option<T> {
        if self.sent >= window.all {
            return None;
        }
        let sent_of = |room: &str| self.rooms.get(room).map_or(0, |room| room.sent);
        let mut waiting = self.waiting.iter();
        let next = waiting.find(|(_, (room, _))| sent_of(room) < window.each);
        let position = next.map(|(position, _)| *position)?;
        let (room, job) = self.waiting.remove(&position)?;
        self.round = self.round.max(position.round);
        self.sent += 1;
        if let Some(room) = self.rooms.get_mut(&room) {
            room.waiting -= 1;
            room.sent += 1;
        }
        Some(job)
    }

    /// Removes a job of this room, whether it was sent or still waited.
    pub(super) fn leave(&mut self, room: &str, position: Position) {
        let waited = self.waiting.remove(&position).is_some();
        if !waited {
            self.sent = self.sent.saturating_sub(1);
        }
        if let Some(entry) = self.rooms.get_mut(room) {
            if waited {
                entry.waiting -= 1;
            } else {
                entry.sent = entry.sent.saturating_sub(1);
            }
            if entry.waiting + entry.sent == 0 {
                self.rooms.remove(room);
            }
        }
    }

    fn next_round(&self, room: &str) -> u64 {
        let last = self.rooms.get(room).map_or(0, |room| room.last);
        self.round.max(last) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Window = Window {
        all: 100,
        each: 100,
    };

    fn sent(fair_queue: &mut FairQueue<&'static str>, window: Window) -> Vec<&'static str> {
        std::iter::from_fn(|| fair_queue.send(window)).collect()
    }

    #[test]
    fn rooms_take_turns_however_many_jobs_each_has() {
        let mut fair_queue = FairQueue::default();
        for job in ["a1", "a2", "a3"] {
            fair_queue.wait("a", job);
        }
        assert_eq!((fair_queue.ahead_of("a"), fair_queue.ahead_of("b")), (3, 1));
        fair_queue.wait("b", "b1");
        fair_queue.wait("c", "c1");
        fair_queue.wait("b", "b2");
        assert_eq!(fair_queue.ahead_of("d"), 3);
        let all = sent(&mut fair_queue, WIDE);
        assert_eq!(all, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!((fair_queue.sent(), fair_queue.ahead_of("d")), (6, 6));
    }

    #[test]
    fn a_room_that_comes_late_is_next_and_no_earlier() {
        let mut fair_queue = FairQueue::default();
        for job in ["a1", "a2", "a3", "a4"] {
            fair_queue.wait("a", job);
        }
        let two = Window { all: 2, ..WIDE };
        assert_eq!(sent(&mut fair_queue, two), ["a1", "a2"]);
        fair_queue.wait("b", "b1");
        fair_queue.wait("b", "b2");
        assert_eq!(sent(&mut fair_queue, WIDE), ["a3", "b1", "a4", "b2"]);
    }

    #[test]
    fn the_window_bounds_all_and_each() {
        let mut fair_queue = FairQueue::default();
        let tickets = ["a1", "a2", "a3"].map(|job| fair_queue.wait("a", job));
        fair_queue.wait("b", "b1");
        let window = Window { all: 3, each: 2 };
        assert_eq!(sent(&mut fair_queue, window), ["a1", "b1", "a2"]);
        fair_queue.leave("a", tickets[0]);
        assert_eq!(sent(&mut fair_queue, window), ["a3"]);
    }

    #[test]
    fn whoever_leaves_is_forgotten() {
        let mut fair_queue = FairQueue::default();
        let (first, second) = (fair_queue.wait("a", "a1"), fair_queue.wait("a", "a2"));
        assert_eq!(fair_queue.send(WIDE), Some("a1"));
        fair_queue.leave("a", second);
        assert_eq!((fair_queue.sent(), fair_queue.send(WIDE)), (1, None));
        fair_queue.leave("a", first);
        assert_eq!((fair_queue.sent(), fair_queue.ahead_of("a")), (0, 0));
        assert!(fair_queue.rooms.is_empty() && fair_queue.waiting.is_empty());
    }
}
