//! Fair queue of the admitted jobs: callers take turns, and each one's rooms. Pure.
//!
//! A caller's next job waits for no more than one job of every other caller, however many rooms
//! these name: a caller chooses rooms at will, but not who it is. Within a caller, each room's next
//! job waits for no more than one job of every other room.

use std::collections::{BTreeMap, HashMap};

use warren_protocol::ids::CallerTag;

use super::turns::Turns;
use super::window::Window;

/// Whose job it is: a caller's, in a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) caller: CallerTag,
    pub(super) room: String,
}

/// The number of a job among all that were ever in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

/// The jobs that wait, in their order.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    waiting: HashMap<Owner, BTreeMap<Position, T>>,
    callers: Turns<CallerTag>,
    rooms: HashMap<CallerTag, Turns<String>>,
    number: u64,
    sent: u32,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            callers: Turns::default(),
            rooms: HashMap::new(),
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

    /// Returns how many jobs would go before the next one of this owner, including those that are
    /// with the queue.
    pub(super) fn ahead_of(&self, owner: &Owner) -> u32 {
        let own = self.rooms.get(&owner.caller).map_or(0, |rooms| {
            let own = rooms.waiting(&owner.room);
            own.saturating_add(rooms.ahead_of(&owner.room, own))
        });
        let others = self.callers.ahead_of(&owner.caller, own);
        self.sent.saturating_add(own).saturating_add(others)
    }

    /// Enqueues a job of this owner.
    pub(super) fn wait(&mut self, owner: &Owner, job: T) -> Position {
        self.number += 1;
        let position = Position(self.number);
        self.callers.wait(&owner.caller);
        let rooms = self.rooms.entry(owner.caller).or_default();
        rooms.wait(&owner.room);
        let waiting = self.waiting.entry(owner.clone()).or_default();
        waiting.insert(position, job);
        position
    }

    /// Returns the next job that may go to the queue, if there is one.
    pub(super) fn send(&mut self, window: Window) -> Option<T> {
        if self.sent >= window.all {
            return None;
        }
        let owner = self.next(window)?;
        let waiting = self.waiting.get_mut(&owner)?;
        let (_position, job) = waiting.pop_first()?;
        if waiting.is_empty() {
            self.waiting.remove(&owner);
        }
        self.sent += 1;
        self.callers.send(&owner.caller);
        if let Some(rooms) = self.rooms.get_mut(&owner.caller) {
            rooms.send(&owner.room);
        }
        Some(job)
    }

    /// Returns the owner of the next job.
    fn next(&self, window: Window) -> Option<Owner> {
        let callers = self.callers.in_order();
        let mut callers = callers.filter(|(_, sent)| *sent < window.caller);
        callers.find_map(|(caller, _)| {
            let mut rooms = self.rooms.get(caller)?.in_order();
            let (room, _) = rooms.find(|(_, sent)| *sent < window.room)?;
            Some(Owner {
                caller: *caller,
                room: room.clone(),
            })
        })
    }

    /// Removes a job of this owner, whether it was sent or still waited.
    pub(super) fn leave(&mut self, owner: &Owner, position: Position) {
        let waiting = self.waiting.get_mut(owner);
        let waited = waiting.is_some_and(|jobs| jobs.remove(&position).is_some());
        if waited && self.waiting.get(owner).is_some_and(BTreeMap::is_empty) {
            self.waiting.remove(owner);
        }
        let rooms = self.rooms.entry(owner.caller).or_default();
        if waited {
            self.callers.withdraw(&owner.caller);
            rooms.withdraw(&owner.room);
        } else {
            self.sent = self.sent.saturating_sub(1);
            self.callers.end(&owner.caller);
            rooms.end(&owner.room);
        }
        if rooms.is_empty() {
            self.rooms.remove(&owner.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDE: Window = Window {
        all: 100,
        caller: 100,
        room: 100,
    };

    /// The owner that a text like `A/room` names; without a caller, it is always the same one.
    fn owner(text: &str) -> Owner {
        let (caller, room) = text.split_once('/').unwrap_or(("-", text));
        Owner {
            caller: CallerTag::new([caller.as_bytes()[0]; 16]),
            room: room.to_owned(),
        }
    }

    fn wait<T>(fair_queue: &mut FairQueue<T>, text: &str, job: T) -> Position {
        fair_queue.wait(&owner(text), job)
    }

    fn sent<T>(fair_queue: &mut FairQueue<T>, window: Window) -> Vec<T> {
        std::iter::from_fn(|| fair_queue.send(window)).collect()
    }

    #[test]
    fn rooms_take_turns_however_many_jobs_each_has() {
        let mut fair_queue = FairQueue::default();
        for job in ["a1", "a2", "a3"] {
            wait(&mut fair_queue, "a", job);
        }
        let ahead = |fair_queue: &FairQueue<_>, room| fair_queue.ahead_of(&owner(room));
        assert_eq!((ahead(&fair_queue, "a"), ahead(&fair_queue, "b")), (3, 1));
        for (room, job) in [("b", "b1"), ("c", "c1"), ("b", "b2")] {
            wait(&mut fair_queue, room, job);
        }
        assert_eq!(ahead(&fair_queue, "d"), 3);
        let all = sent(&mut fair_queue, WIDE);
        assert_eq!(all, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!((fair_queue.sent(), ahead(&fair_queue, "d")), (6, 6));
    }

    #[test]
    fn callers_take_turns_however_many_rooms_each_has() {
        let mut fair_queue = FairQueue::default();
        for room in 0..255 {
            wait(&mut fair_queue, &format!("A/r{room}"), format!("A{room}"));
        }
        assert_eq!(fair_queue.ahead_of(&owner("A/new")), 255);
        assert_eq!(fair_queue.ahead_of(&owner("B/new")), 1);
        wait(&mut fair_queue, "B/b", "B0".to_owned());
        wait(&mut fair_queue, "B/b", "B1".to_owned());
        assert_eq!(fair_queue.ahead_of(&owner("B/b")), 2 + 3);
        let all = sent(&mut fair_queue, WIDE);
        assert_eq!(all[..5], ["A0", "B0", "A1", "B1", "A2"]);
    }

    #[test]
    fn a_room_that_comes_late_is_next_and_no_earlier() {
        for (a, b) in [("a", "b"), ("A/r", "B/r")] {
            let mut fair_queue = FairQueue::default();
            for job in ["a1", "a2", "a3", "a4"] {
                wait(&mut fair_queue, a, job);
            }
            let two = Window { all: 2, ..WIDE };
            assert_eq!(sent(&mut fair_queue, two), ["a1", "a2"]);
            wait(&mut fair_queue, b, "b1");
            wait(&mut fair_queue, b, "b2");
            assert_eq!(sent(&mut fair_queue, WIDE), ["a3", "b1", "a4", "b2"]);
        }
    }

    #[test]
    fn the_window_bounds_all_and_each() {
        let mut fair_queue = FairQueue::default();
        let tickets = ["a1", "a2", "a3"].map(|job| wait(&mut fair_queue, "a", job));
        wait(&mut fair_queue, "b", "b1");
        wait(&mut fair_queue, "B/a", "B1");
        let window = Window {
            all: 4,
            caller: 3,
            room: 2,
        };
        assert_eq!(sent(&mut fair_queue, window), ["a1", "B1", "b1", "a2"]);
        fair_queue.leave(&owner("a"), tickets[0]);
        assert_eq!(sent(&mut fair_queue, window), ["a3"]);
    }

    #[test]
    fn whoever_leaves_is_forgotten() {
        let mut fair_queue = FairQueue::default();
        let first = wait(&mut fair_queue, "a", "a1");
        let second = wait(&mut fair_queue, "a", "a2");
        assert_eq!(fair_queue.send(WIDE), Some("a1"));
        fair_queue.leave(&owner("a"), second);
        assert_eq!((fair_queue.sent(), fair_queue.send(WIDE)), (1, None));
        fair_queue.leave(&owner("a"), first);
        assert_eq!(
            (fair_queue.sent(), fair_queue.ahead_of(&owner("a"))),
            (0, 0)
        );
        assert!(fair_queue.callers.is_empty() && fair_queue.rooms.is_empty());
        assert!(fair_queue.waiting.is_empty());
    }

    proptest! {
        /// Another caller's first job is as early after a flood from many rooms as after the same
        /// flood from one, and no later than it was told.
        #[test]
        fn a_flood_from_many_rooms_is_as_one_from_one(
            rooms in 1_usize..300,
            jobs in 1_usize..300,
            already in 0_u32..8,
            others in 0_u32..4,
        ) {
            let place = |rooms: usize| {
                let mut fair_queue = FairQueue::default();
                for job in 0..jobs {
                    wait(&mut fair_queue, &format!("A/r{}", job % rooms), "flood");
                }
                for other in 0..others {
                    wait(&mut fair_queue, &format!("{other}/r"), "other");
                }
                let window = Window { all: already, ..WIDE };
                let begun = sent(&mut fair_queue, window).len();
                let told = fair_queue.ahead_of(&owner("B/r"));
                wait(&mut fair_queue, "B/r", "B");
                let wide = Window { all: 1_000, caller: 1_000, room: 1_000 };
                let order = sent(&mut fair_queue, wide);
                let place = begun + order.iter().position(|job| *job == "B").unwrap();
                (u32::try_from(place).unwrap(), told)
            };
            let (of_many, told) = place(rooms);
            prop_assert_eq!(of_many, place(1).0);
            prop_assert!(of_many <= told, "{of_many} {told}");
            prop_assert!(of_many <= already + others + 1);
        }

        /// No caller has two turns before another that waits has one, and within it no room.
        #[test]
        fn turns_are_even_at_both_levels(
            jobs in proptest::collection::vec((0_usize..4, 0_usize..4), 1..80),
        ) {
            let mut fair_queue = FairQueue::default();
            let name = |(caller, room): (usize, usize)| format!("{caller}/{room}");
            for job in &jobs {
                wait(&mut fair_queue, &name(*job), *job);
            }
            let order = sent(&mut fair_queue, WIDE);
            prop_assert_eq!(order.len(), jobs.len());
            let count = |served: &[(usize, usize)], fits: &dyn Fn((usize, usize)) -> bool| {
                served.iter().filter(|job| fits(**job)).count()
            };
            for end in 0..order.len() {
                let (served, (caller, room)) = (&order[..end], order[end]);
                let had = count(served, &|job| job.0 == caller);
                let in_room = count(served, &|job| job == (caller, room));
                for other in 0..4 {
                    let all = count(&order, &|job| job.0 == other);
                    let theirs = count(served, &|job| job.0 == other);
                    prop_assert!(theirs >= had.min(all), "{order:?}");
                    let all = count(&order, &|job| job == (caller, other));
                    let theirs = count(served, &|job| job == (caller, other));
                    prop_assert!(theirs >= in_room.min(all), "{order:?}");
                }
            }
        }
    }
}
