//! Measures a container's start beside other load.

use std::time::Duration;

use super::sent::{completed, send};
use crate::harness::warren::Warren;

/// A room that sends less than the crowd's, and so does not wait behind it.
const ROOM: &str = "cold";

/// Unattended jobs of their own room, each in a container that is started for it.
pub struct Starts<'a> {
    api: &'a Warren,
    jobs: Vec<String>,
}

impl<'a> Starts<'a> {
    /// Sends that many jobs.
    pub async fn begin(api: &'a Warren, count: u32) -> Self {
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
