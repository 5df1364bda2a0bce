//! How many requests for execution there are, and of which rooms: the hard bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds the requests in flight. A room has at most about as many as there is room for more
/// (Choudhury and Hahne's dynamic threshold): a flood of one leaves half, of two a third.
pub(crate) struct InFlight {
    most: usize,
    rooms: Arc<Mutex<Rooms>>,
}

#[derive(Default)]
struct Rooms {
    total: usize,
    held: HashMap<String, usize>,
}

/// A request's place, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: String,
    rooms: Arc<Mutex<Rooms>>,
}

impl InFlight {
    /// That many at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            rooms: Arc::default(),
        }
    }

    /// A place for a request of that room, if it may have one.
    pub(crate) fn enter(&self, room: &str) -> Option<Place> {
        let mut rooms = lock(&self.rooms);
        let free = self.most.saturating_sub(rooms.total);
        let held = rooms.held.get(room).copied().unwrap_or_default();
        if free == 0 || held > free {
            return None;
        }
        rooms.total += 1;
        rooms.held.insert(room.to_owned(), held + 1);
        Some(Place {
            room: room.to_owned(),
            rooms: Arc::clone(&self.rooms),
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.rooms).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms);
        rooms.total -= 1;
        if let Some(held) = rooms.held.get_mut(&self.room) {
            *held -= 1;
            if *held == 0 {
                rooms.held.remove(&self.room);
            }
        }
    }
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rooms")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

fn lock(rooms: &Mutex<Rooms>) -> MutexGuard<'_, Rooms> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(in_flight: &InFlight, room: &str) -> Vec<Place> {
        std::iter::from_fn(|| in_flight.enter(room)).collect()
    }

    #[test]
    fn a_flood_of_one_room_leaves_places_for_others() {
        let in_flight = InFlight::new(100);
        let first = flood(&in_flight, "first");
        assert_eq!(first.len(), 51);
        let second = flood(&in_flight, "second");
        assert_eq!(second.len(), 25);
        assert!(in_flight.enter("third").is_some());
        assert!(in_flight.enter("first").is_none());
        drop((first, second));
        assert_eq!(lock(&in_flight.rooms).total, 0);
        assert!(lock(&in_flight.rooms).held.is_empty());
        assert!(in_flight.enter("first").is_some());
    }

    #[test]
    fn an_only_place_is_given() {
        let in_flight = InFlight::new(1);
        let only = in_flight.enter("room");
        assert!(only.is_some());
        assert!(in_flight.enter("other").is_none());
    }
}
