//! Turns of callers, and within each of its rooms; each first come, first served.

use std::collections::VecDeque;

use warren_protocol::ids::{CallerTag, RoomId};

/// The items that wait, and the order of their turns: caller by caller, and room by room within
/// each, since a caller chooses at will how many rooms it names. The next item stays next until it
/// is taken or removed. Takes time linear in the number of callers and rooms, and grows as large as
/// its owner allows.
#[derive(Debug)]
pub struct RoomTurns<T> {
    /// The callers, beginning with the one whose turn it is. None is here with nothing waiting.
    callers: VecDeque<OfCaller<T>>,
}

#[derive(Debug)]
struct OfCaller<T> {
    tag: CallerTag,
    /// As above, the caller's rooms.
    rooms: VecDeque<Room<T>>,
}

#[derive(Debug)]
struct Room<T> {
    id: RoomId,
    waiting: VecDeque<T>,
}

impl<T> Default for RoomTurns<T> {
    fn default() -> Self {
        Self {
            callers: VecDeque::new(),
        }
    }
}

impl<T> RoomTurns<T> {
    /// Adds `item` behind those that wait in its room. A caller for whom nothing waited has its turn
    /// after all others, and so has a room.
    pub fn push(&mut self, caller: CallerTag, room: &RoomId, item: T) {
        self.waiting_in(caller, room).push_back(item);
    }

    /// Adds `item` before those that wait in its room: it was taken and has come back.
    pub fn put_back(&mut self, caller: CallerTag, room: &RoomId, item: T) {
        self.waiting_in(caller, room).push_front(item);
    }

    /// Returns the next item.
    #[must_use]
    pub fn next(&self) -> Option<&T> {
        self.callers.front()?.rooms.front()?.waiting.front()
    }

    /// Takes the next item. Its caller's next turn comes after one of every other caller, and its
    /// room's after one of every other room of the caller.
    pub fn take(&mut self) -> Option<T> {
        let mut caller = self.callers.pop_front()?;
        let mut room = caller.rooms.pop_front()?;
        let item = room.waiting.pop_front();
        if !room.waiting.is_empty() {
            caller.rooms.push_back(room);
        }
        if !caller.rooms.is_empty() {
            self.callers.push_back(caller);
        }
        item
    }

    /// Removes and returns the items for which `is_gone` returns true. That costs nobody a turn.
    pub fn remove(&mut self, mut is_gone: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for caller in &mut self.callers {
            for room in &mut caller.rooms {
                let (gone, kept) = room.waiting.drain(..).partition(&mut is_gone);
                room.waiting = kept;
                removed.extend::<VecDeque<T>>(gone);
            }
            caller.rooms.retain(|room| !room.waiting.is_empty());
        }
        self.callers.retain(|caller| !caller.rooms.is_empty());
        removed
    }

    /// Returns the number of items that wait in all rooms.
    #[must_use]
    pub fn len(&self) -> usize {
        let rooms = self.callers.iter().flat_map(|caller| &caller.rooms);
        rooms.map(|room| room.waiting.len()).sum()
    }

    /// Returns whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    fn waiting_in(&mut self, tag: CallerTag, id: &RoomId) -> &mut VecDeque<T> {
        let at = self.callers.iter().position(|caller| caller.tag == tag);
        let at = at.unwrap_or_else(|| {
            let rooms = VecDeque::new();
            self.callers.push_back(OfCaller { tag, rooms });
            self.callers.len() - 1
        });
        let rooms = &mut self.callers[at].rooms;
        let at = rooms.iter().position(|room| room.id == *id);
        let at = at.unwrap_or_else(|| {
            rooms.push_back(Room {
                id: id.clone(),
                waiting: VecDeque::new(),
            });
            rooms.len() - 1
        });
        &mut rooms[at].waiting
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: CallerTag = CallerTag::new([1; 16]);
    const OTHER: CallerTag = CallerTag::new([2; 16]);

    fn room(name: &str) -> RoomId {
        name.parse().unwrap()
    }

    #[test]
    fn rooms_take_turns_and_a_flood_has_one_rooms_turns() {
        let mut turns = RoomTurns::default();
        for number in 0..100 {
            turns.push(ONE, &room("flood"), format!("flood {number}"));
        }
        for number in 0..3 {
            turns.push(ONE, &room("few"), format!("few {number}"));
        }
        turns.push(ONE, &room("one"), "one 0".to_owned());
        assert_eq!(turns.len(), 104);
        let order: Vec<_> = (0..7).filter_map(|_| turns.take()).collect();
        let expected = [
            "flood 0", "few 0", "one 0", "flood 1", "few 1", "flood 2", "few 2",
        ];
        assert_eq!(order, expected);
        assert_eq!(turns.next().map(String::as_str), Some("flood 3"));
    }

    #[test]
    fn an_item_that_comes_back_is_the_next_of_its_room() {
        let mut turns = RoomTurns::default();
        turns.push(ONE, &room("a"), 1);
        turns.push(ONE, &room("a"), 2);
        let first = turns.take().unwrap();
        turns.push(ONE, &room("b"), 3);
        turns.put_back(ONE, &room("a"), first);
        assert_eq!(
            [turns.take(), turns.take(), turns.take()],
            [Some(1), Some(3), Some(2)]
        );
        assert!(turns.is_empty() && turns.take().is_none());
    }

    #[test]
    fn removing_an_item_costs_its_room_no_turn() {
        let mut turns = RoomTurns::default();
        turns.push(ONE, &room("a"), 1);
        turns.push(ONE, &room("a"), 2);
        turns.push(ONE, &room("b"), 3);
        assert_eq!(turns.remove(|item| *item == 1), [1]);
        assert_eq!(turns.next(), Some(&2));
        assert_eq!(turns.remove(|item| *item < 3), [2]);
        assert_eq!(turns.next(), Some(&3));
        assert_eq!(turns.len(), 1);
    }

    #[test]
    fn a_flood_of_many_rooms_has_one_callers_turns() {
        let mut turns = RoomTurns::default();
        for number in 0..255 {
            turns.push(ONE, &room(&format!("r{number}")), "flood");
        }
        turns.push(OTHER, &room("r0"), "first");
        turns.push(OTHER, &room("r0"), "second");
        let order: Vec<_> = (0..5).filter_map(|_| turns.take()).collect();
        assert_eq!(order, ["flood", "first", "flood", "second", "flood"]);
        assert_eq!(turns.len(), 252);
    }

    proptest! {
        /// Between two turns of one room every other has one, as long as it has anything.
        #[test]
        fn no_room_has_two_turns_before_another_has_one(sizes in prop::collection::vec(1_usize..20, 1..8)) {
            let mut turns = RoomTurns::default();
            for (number, size) in sizes.iter().enumerate() {
                for _ in 0..*size {
                    turns.push(ONE, &room(&format!("room-{number}")), number);
                }
            }
            let mut had = vec![0_usize; sizes.len()];
            while let Some(number) = turns.take() {
                had[number] += 1;
                for (other, size) in sizes.iter().enumerate() {
                    prop_assert!(had[other] + 1 >= had[number].min(*size), "{had:?}");
                }
            }
            prop_assert_eq!(had, sizes);
        }
    }
}
