//! The lanes: queues in which the rooms' unattended jobs wait side by side.
//!
//! No room's flood is ahead of all others.
//!
//! RabbitMQ serves one queue first come, first served, and a worker sees no further than what it has
//! fetched: behind ten thousand jobs of one room, the one job of another would wait for all of them.
//! So a room's jobs wait in one of [`LANES`], chosen by its name, and workers take from all lanes in
//! turn (stochastic fair queueing, McKenney 1990). Two rooms may share a lane; then they wait for
//! each other as they would in one queue.

use warren_protocol::ids::RoomId;

use crate::LANE_COUNT;

/// The first lane.
const FIRST: &str = "warren.jobs";

/// The queues. The first one is the only one that older versions had.
pub const LANES: [&str; LANE_COUNT] = [
    FIRST,
    "warren.jobs.lane.1",
    "warren.jobs.lane.2",
    "warren.jobs.lane.3",
    "warren.jobs.lane.4",
    "warren.jobs.lane.5",
    "warren.jobs.lane.6",
    "warren.jobs.lane.7",
];

/// Returns the lane of a room: the same in every process and version, so that a room's jobs keep
/// their order.
#[must_use]
pub fn lane_of(room: &RoomId) -> &'static str {
    // FNV-1a, folded since its low bits alone are poor.
    let hash = room
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let folded = (hash ^ (hash >> 32)) % LANES.len() as u64;
    usize::try_from(folded).map_or(FIRST, |lane| LANES[lane])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(room: &str) -> &'static str {
        lane_of(&room.parse().unwrap())
    }

    #[test]
    fn a_room_keeps_its_lane_from_version_to_version() {
        assert_eq!(lane("callers"), "warren.jobs");
        assert_eq!(lane("few"), "warren.jobs.lane.1");
        assert_eq!(lane("flood"), "warren.jobs.lane.2");
        assert_eq!(lane("a-room"), "warren.jobs.lane.7");
    }

    #[test]
    fn rooms_are_spread_over_all_lanes() {
        let mut rooms = [0_u32; LANES.len()];
        for number in 0..8_000 {
            let lane = lane(&format!("course-{number}"));
            let at = LANES.iter().position(|name| *name == lane).unwrap();
            rooms[at] += 1;
        }
        assert!(
            rooms.iter().all(|rooms| (800..1_200).contains(rooms)),
            "{rooms:?}"
        );
    }
}
