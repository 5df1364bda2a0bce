//! The order in which waiting unattended jobs begin: rooms take turns.

use std::collections::VecDeque;

use warren_protocol::ids::RoomId;

/// One waiting job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The waiting jobs of each room, and whose turn it is. A job that is next stays next until it
/// begins or leaves. Holds no more jobs than the worker has fetched.
#[derive(Debug, Default)]
pub(super) struct RoomTurns {
    /// The room whose turn it is comes first. No room is here without a job.
    rooms: VecDeque<Room>,
    issued: u64,
}

#[derive(Debug)]
struct Room {
    id: RoomId,
    waiting: VecDeque<Ticket>,
}

impl RoomTurns {
    /// Adds a job at the end of its room's; a room that had none has its turn after all others.
    pub(super) fn enter(&mut self, id: &RoomId) -> Ticket {
        self.issued += 1;
        let ticket = Ticket(self.issued);
        match self.rooms.iter_mut().find(|room| room.id == *id) {
            Some(room) => room.waiting.push_back(ticket),
            None => self.rooms.push_back(Room {
                id: id.clone(),
                waiting: VecDeque::from([ticket]),
            }),
        }
        ticket
    }

    /// The job whose turn it is.
    pub(super) fn next(&self) -> Option<Ticket> {
        self.rooms.front()?.waiting.front().copied()
    }

    /// The next job begins: its room's next turn comes after one of every other room.
    pub(super) fn begin(&mut self) {
        let Some(mut room) = self.rooms.pop_front() else {
            return;
        };
        room.waiting.pop_front();
        if !room.waiting.is_empty() {
            self.rooms.push_back(room);
        }
    }

    /// A job waits no more, and has not begun: that costs its room no turn.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        for room in &mut self.rooms {
            room.waiting.retain(|waiting| *waiting != ticket);
        }
        self.rooms.retain(|room| !room.waiting.is_empty());
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
    fn rooms_take_turns_and_a_flood_is_no_more_than_a_room() {
        let mut turns = RoomTurns::default();
        let flood: Vec<_> = (0..100).map(|_| turns.enter(&room("flood"))).collect();
        let few: Vec<_> = (0..3).map(|_| turns.enter(&room("few"))).collect();
        let one = turns.enter(&room("one"));
        let mut order = Vec::new();
        for _ in 0..7 {
            order.extend(turns.next());
            turns.begin();
        }
        let expected = [flood[0], few[0], one, flood[1], few[1], flood[2], few[2]];
        assert_eq!(order, expected);
        assert_eq!(turns.next(), Some(flood[3]));
    }

    #[test]
    fn a_job_that_leaves_costs_its_room_no_turn() {
        let mut turns = RoomTurns::default();
        let (first, second) = (turns.enter(&room("a")), turns.enter(&room("a")));
        let other = turns.enter(&room("b"));
        turns.leave(first);
        assert_eq!(turns.next(), Some(second));
        turns.leave(second);
        assert_eq!(turns.next(), Some(other));
        turns.leave(other);
        turns.leave(other);
        assert_eq!(turns.next(), None);
        turns.begin();
        assert_eq!(turns.next(), None);
    }

    proptest! {
        /// Between two turns of one room no other room has two, as long as all have jobs.
        #[test]
        fn no_room_has_two_turns_before_another_has_one(sizes in prop::collection::vec(1_usize..20, 1..8)) {
            let mut turns = RoomTurns::default();
            let mut of = std::collections::HashMap::new();
            for (number, size) in sizes.iter().enumerate() {
                for _ in 0..*size {
                    of.insert(turns.enter(&room(&format!("room-{number}"))).0, number);
                }
            }
            let mut had = vec![0_usize; sizes.len()];
            while let Some(next) = turns.next() {
                let number = of[&next.0];
                had[number] += 1;
                for (other, size) in sizes.iter().enumerate() {
                    prop_assert!(had[other] + 1 >= had[number].min(*size), "{had:?}");
                }
                turns.begin();
            }
            prop_assert_eq!(had, sizes);
        }
    }
}
