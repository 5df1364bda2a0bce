//! Measures a container's start beside other load.

use std::time::Duration;

use super::sent::{completed, send};
use crate::harness::warren::Warren;
use warren_queue::rabbit::lanes::lane_of;

/// A room whose lane is not the crowd's.
const ROOM: &str = "cold";

/// Unattended jobs of their own room, each in a container that is started for it.
pub struct Starts<'a> {
    api: &'a Warren,
    jobs: Vec<String>,
}

impl<'a> Starts<'a> {
    /// Sends that many jobs.
    pub async fn begin(api: &'a Warren, count: u32) -> Self {
        let lane = |room: &str| lane_of(&room.parse().expect("a room"));
        assert_ne!(
            lane(ROOM),
            lane("crowd"),
            "they would wait behind the crowd"
        );
        let jobs = send(api, ROOM, count).await;
        Self { api, jobs }
    }

    /// Returns the longest start of them all, once they have ended.
    pub async fn longest(self) -> Duration {
        let mut longest = Duration::ZERO;
        for job in &self.jobs {
            let ended = completed(self.api, job).await;
            let start = ended.body["result"]["timings"]["sandboxMs"].as_f64();
            let start = start.expect("the time that its container took");
            longest = longest.max(Duration::from_secs_f64(start / 1e3));
        }
        longest
    }
}
