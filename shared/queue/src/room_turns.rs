//! An order in which rooms take turns, each first come, first served.

use std::collections::VecDeque;

use warren_protocol::ids::RoomId;

/// The items that wait in each room, and the order of the rooms' turns. The next item stays next
/// until it is taken or removed. Takes time linear in the number of rooms, and grows as large as
/// its owner allows.
#[derive(Debug)]
pub struct RoomTurns<T> {
    /// The rooms, beginning with the one whose turn it is. No room is here with nothing waiting.
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
            rooms: VecDeque::new(),
        }
    }
}

impl<T> RoomTurns<T> {
    /// Adds `item` behind those that wait in its room. A room in which nothing waited has its turn
    /// after all others.
    pub fn push(&mut self, id: &RoomId, item: T) {
        self.waiting_in(id).push_back(item);
    }

    /// Adds `item` before those that wait in its room: it was taken and has come back.
    pub fn put_back(&mut self, id: &RoomId, item: T) {
        self.waiting_in(id).push_front(item);
    }

    /// Returns the next item.
    #[must_use]
    pub fn next(&self) -> Option<&T> {
        self.rooms.front()?.waiting.front()
    }

    /// Takes the next item. Its room's next turn comes after one of every other room.
    pub fn take(&mut self) -> Option<T> {
        let mut room = self.rooms.pop_front()?;
        let item = room.waiting.pop_front();
        if !room.waiting.is_empty() {
            self.rooms.push_back(room);
        }
        item
    }

    /// Removes and returns the items for which `is_gone` returns true. That costs no room its turn.
    pub fn remove(&mut self, mut is_gone: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for room in &mut self.rooms {
            let (gone, kept) = room.waiting.drain(..).partition(&mut is_gone);
            room.waiting = kept;
            removed.extend::<VecDeque<T>>(gone);
        }
        self.rooms.retain(|room| !room.waiting.is_empty());
        removed
    }

    /// Returns the number of items that wait in all rooms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.iter().map(|room| room.waiting.len()).sum()
    }

    /// Returns whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    fn waiting_in(&mut self, id: &RoomId) -> &mut VecDeque<T> {
        let at = self.rooms.iter().position(|room| room.id == *id);
        let at = at.unwrap_or_else(|| {
            self.rooms.push_back(Room {
                id: id.clone(),
                waiting: VecDeque::new(),
            });
            self.rooms.len() - 1
        });
        &mut self.rooms[at].waiting
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(name: &str) -> RoomId {
        name.parse().unwrap()
    }

    #[test]
    fn rooms_take_turns_and_a_flood_has_one_rooms_turns() {
        let mut turns = RoomTurns::default();
        for number in 0..100 {
            turns.push(&room("flood"), format!("flood {number}"));
        }
        for number in 0..3 {
            turns.push(&room("few"), format!("few {number}"));
        }
        turns.push(&room("one"), "one 0".to_owned());
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
        turns.push(&room("a"), 1);
        turns.push(&room("a"), 2);
        let first = turns.take().unwrap();
        turns.push(&room("b"), 3);
        turns.put_back(&room("a"), first);
        assert_eq!(
            [turns.take(), turns.take(), turns.take()],
            [Some(1), Some(3), Some(2)]
        );
        assert!(turns.is_empty() && turns.take().is_none());
    }

    #[test]
    fn removing_an_item_costs_its_room_no_turn() {
        let mut turns = RoomTurns::default();
        turns.push(&room("a"), 1);
        turns.push(&room("a"), 2);
        turns.push(&room("b"), 3);
        assert_eq!(turns.remove(|item| *item == 1), [1]);
        assert_eq!(turns.next(), Some(&2));
        assert_eq!(turns.remove(|item| *item < 3), [2]);
        assert_eq!(turns.next(), Some(&3));
        assert_eq!(turns.len(), 1);
    }

    proptest! {
        /// Between two turns of one room every other has one, as long as it has anything.
        #[test]
        fn no_room_has_two_turns_before_another_has_one(sizes in prop::collection::vec(1_usize..20, 1..8)) {
            let mut turns = RoomTurns::default();
            for (number, size) in sizes.iter().enumerate() {
                for _ in 0..*size {
                    turns.push(&room(&format!("room-{number}")), number);
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
