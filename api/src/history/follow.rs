//! Follows one execution until it ends.
//!
//! The record is re-read after every event of its job, and every second, since events may be lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;

use super::reader::HistoryReader;
use super::view::Seen;
use super::watch::Watcher;
use crate::access::auth::Rooms;

/// How often the record is re-read without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request that follows one execution.
pub(crate) struct Follower {
    history: Arc<HistoryReader>,
    rooms: Rooms,
    job: JobId,
    watcher: Watcher,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The execution may have changed.
    LookAgain,
    /// The time is over, or this API stops.
    Over,
}

impl Follower {
    /// Follows an execution from now on, if it is in one of these rooms.
    pub(crate) fn new(
        history: Arc<HistoryReader>,
        rooms: Rooms,
        job: JobId,
    ) -> Result<Self, Problem> {
        let watcher = history.watch.job(job).ok_or_else(too_many)?;
        Ok(Self {
            history,
            rooms,
            job,
            watcher,
        })
    }

    /// Returns the execution as it is now.
    pub(crate) async fn look(&self) -> Result<Seen, Problem> {
        self.history.see(&self.rooms, self.job).await
    }

    /// Waits until the execution may have changed, at most until `until`.
    pub(crate) async fn wait(&mut self, until: Instant) -> Waited {
        tokio::select! {
            biased;
            () = self.history.draining.cancelled() => Waited::Over,
            () = sleep_until(until) => Waited::Over,
            () = self.watcher.news() => Waited::LookAgain,
            () = sleep(LOOK_AGAIN) => Waited::LookAgain,
        }
    }

    /// Returns the execution once it has ended, or as it is at `until`.
    pub(crate) async fn end(&mut self, until: Instant) -> Result<Seen, Problem> {
        let mut seen = self.look().await?;
        while !seen.has_ended() && self.wait(until).await == Waited::LookAgain {
            // It could be read before, so a failure is probably brief: keep waiting.
            if let Ok(now) = self.look().await {
                seen = now;
            }
        }
        Ok(seen)
    }
}

fn too_many() -> Problem {
    let message = "Too many requests wait for results here. Ask without waiting, or again later; if you operate this service, start another API instance.";
    let problem = Problem::new(503, "too_many_waiting", message);
    problem.retry_after(RETRY_AFTER)
}
