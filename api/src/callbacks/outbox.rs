//! From the recorder into the queue of callbacks, however long that is away: on nobody's path, and
//! bounded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_shared::queue::{Callback, JobQueue, QueueError};

use super::tally::Tally;

/// The most callbacks that wait for the queue.
const MAX_WAITING: usize = 10_000;
/// Pauses between the tries to queue one: the first, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How long the queue may be full before a callback is given up. Unclaimed replies wait for theirs,
/// and must not wait for long: receivers that take nothing would stop the history.
const FULL_FOR: Duration = Duration::from_secs(10);

/// The way of callbacks into the queue.
pub(crate) struct Outbox {
    queue: Arc<dyn JobQueue>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    given_up: CancellationToken,
    tally: Arc<Tally>,
}

impl Outbox {
    pub(super) fn new(queue: Arc<dyn JobQueue>, tally: Arc<Tally>) -> Self {
        Self {
            queue,
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            tasks: TaskTracker::new(),
            given_up: CancellationToken::new(),
            tally,
        }
    }

    /// Hands a callback over; `queued` is called once it is in the queue or is given up because that is
    /// full, and dropped if the queue cannot be reached. Never waits. To be called on a Tokio runtime.
    pub(crate) fn send(&self, callback: Callback, queued: impl FnOnce() + Send + 'static) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return lost(&callback, &self.tally);
        };
        let (queue, tally) = (Arc::clone(&self.queue), Arc::clone(&self.tally));
        let given_up = self.given_up.clone();
        self.tasks.spawn(async move {
            let _place = place;
            let queueing = push(queue.as_ref(), &callback);
            match given_up.run_until_cancelled(queueing).await {
                Some(Pushed::Queued) => queued(),
                // Recorded it is, and more replies are to be.
                Some(Pushed::NoRoom) => {
                    lost(&callback, &tally);
                    queued();
                }
                None => lost(&callback, &tally),
            }
        });
    }

    /// Queues what waits for at most `grace`; the rest is lost, but for what whoever sent it keeps.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            self.given_up.cancel();
            self.tasks.wait().await;
        }
    }
}

enum Pushed {
    Queued,
    NoRoom,
}

async fn push(queue: &dyn JobQueue, callback: &Callback) -> Pushed {
    let (mut pause, begun) = (FIRST_PAUSE, Instant::now());
    while let Err(error) = queue.queue_callback(callback).await {
        if matches!(error, QueueError::Refused(_)) && begun.elapsed() >= FULL_FOR {
            return Pushed::NoRoom;
        }
        if pause == FIRST_PAUSE {
            tracing::warn!(job.id = %callback.job, %error, "callback not queued yet; trying on");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
    Pushed::Queued
}

fn lost(callback: &Callback, tally: &Tally) {
    tally.lost.add();
    tracing::error!(job.id = %callback.job, "callback not queued: the queue was full or away for too long");
}
