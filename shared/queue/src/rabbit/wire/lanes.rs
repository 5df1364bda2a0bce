//! The lanes: queues in which unattended jobs wait side by side.
//!
//! No flood is ahead of all others.
//!
//! RabbitMQ serves one queue first come, first served, and a worker sees no further than what it has
//! fetched: behind ten thousand jobs of a flood, the one job of another caller would wait for all of
//! them. So jobs wait in one of [`LANES`], and workers take from all lanes in turn. The lanes form
//! three groups by what the job's caller had open when it was submitted ([`Standing`]): a flood
//! fills the last group, and a caller or room that sends little never waits behind it. Within the
//! groups rooms are spread by the hash of their caller and name (stochastic fair queueing, McKenney
//! 1990): two that share a lane wait for each other as they would in one queue.

use std::ops::Range;

use warren_protocol::job::{Job, Standing};

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

/// Returns the lanes of the jobs with this standing.
const fn group(standing: Standing) -> Range<usize> {
    match standing {
        Standing::LightCaller => 0..2,
        Standing::LightRoom => 2..4,
        Standing::Heavy => 4..LANE_COUNT,
    }
}

/// Returns the lane of a job: the same in every process and version for one caller, room and
/// standing.
#[must_use]
pub fn lane_of(job: &Job) -> &'static str {
    let caller = job.caller.map(String::from).unwrap_or_default();
    let name = caller.bytes().chain(job.room.as_str().bytes());
    // FNV-1a, folded since its low bits alone are poor.
    let hash = name.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let group = &LANES[group(job.standing)];
    let folded = (hash ^ (hash >> 32)) % group.len() as u64;
    usize::try_from(folded).map_or(FIRST, |lane| group[lane])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warren_protocol::ids::CallerTag;
    use warren_protocol::limits::Limits;
    use warren_protocol::time::Deadline;

    use super::*;

    fn lane(caller: u8, room: &str, standing: Standing) -> usize {
        let submission = serde_json::json!({
            "language": "python", "code": "1", "input": null, "test_cases": [],
        });
        let submission = serde_json::from_value(submission).unwrap();
        let deadline = Deadline::after(Duration::from_secs(1));
        let mut job = Job::new(
            room.parse().unwrap(),
            submission,
            Limits::default(),
            deadline,
        );
        job.caller = Some(CallerTag::new([caller; 16]));
        job.standing = standing;
        let lane = lane_of(&job);
        LANES.iter().position(|name| *name == lane).unwrap()
    }

    #[test]
    fn who_sends_little_never_shares_a_lane_with_a_flood() {
        for number in 0..200 {
            let (caller, room) = (number, format!("r{number}"));
            assert!((0..2).contains(&lane(caller, &room, Standing::LightCaller)));
            assert!((2..4).contains(&lane(caller, &room, Standing::LightRoom)));
            assert!((4..8).contains(&lane(caller, &room, Standing::Heavy)));
        }
    }

    #[test]
    fn rooms_are_spread_over_all_lanes_of_a_group() {
        let mut rooms = [0_u32; LANES.len()];
        for number in 0..8_000 {
            let standing = match number % 4 {
                0 => Standing::LightCaller,
                1 => Standing::LightRoom,
                _ => Standing::Heavy,
            };
            rooms[lane(1, &format!("course-{number}"), standing)] += 1;
        }
        assert!(
            rooms.iter().all(|rooms| (800..1_200).contains(rooms)),
            "{rooms:?}"
        );
    }
}
