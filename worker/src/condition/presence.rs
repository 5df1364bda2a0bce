//! Announces this worker to every API: its state, its slots, and how fast it runs jobs.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{ANNOUNCE_EVERY, WorkerState, WorkerStatus};
use warren_protocol::time::EpochMillis;
use warren_queue::WorkerQueue;

use crate::readiness::ReadinessState;
use crate::slots::Slots;

/// The facts that are announced of this worker.
pub(crate) struct Presence {
    /// The queue that announcements go over.
    pub(crate) queue: Arc<dyn WorkerQueue>,
    /// This worker's name.
    pub(crate) instance: InstanceId,
    /// Its slots, which know how busy it is and how fast.
    pub(crate) slots: Slots,
    /// Its readiness, while it is not stopping.
    pub(crate) state: watch::Receiver<ReadinessState>,
}

impl Presence {
    /// Announces this worker periodically, and immediately when its state changes; after `stop`,
    /// that it is draining. Runs until it is dropped.
    pub(crate) async fn announce(mut self, stop: CancellationToken) {
        let mut tick = interval(ANNOUNCE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled(), if !draining => draining = true,
                // Once its sender is dropped, the state no longer changes.
                Ok(()) = self.state.changed() => {}
            }
            let state = if draining || stop.is_cancelled() {
                WorkerState::Draining
            } else {
                announced(&self.state.borrow_and_update())
            };
            self.queue.announce(&self.status(state)).await;
        }
    }

    fn status(&self, state: WorkerState) -> WorkerStatus {
        let activity = *self.slots.activity().borrow();
        WorkerStatus {
            version: WorkerStatus::VERSION,
            instance: self.instance.clone(),
            state,
            slots: self.slots.count().get(),
            running: u16::try_from(activity.running()).unwrap_or(u16::MAX),
            service: activity.service(),
            sent_at: EpochMillis::now(),
        }
    }
}

fn announced(state: &ReadinessState) -> WorkerState {
    let suspended = |reason: &str| WorkerState::Suspended {
        reason: reason.to_owned(),
    };
    match state {
        ReadinessState::Starting => suspended("it gets ready for its first job"),
        ReadinessState::Ready => WorkerState::Ready,
        ReadinessState::Suspended(reason) => suspended(reason),
        ReadinessState::Draining => WorkerState::Draining,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use tokio::time::timeout;
    use warren_queue::{ApiQueue, MemoryQueue};

    use super::*;

    async fn announced(queue: &MemoryQueue, what: impl Fn(&WorkerStatus) -> bool) -> WorkerStatus {
        let found = async {
            loop {
                if let Some(status) = queue.workers().into_iter().find(&what) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), found).await.unwrap()
    }

    #[tokio::test]
    async fn a_worker_announces_its_state_whenever_that_changes() {
        let queue = Arc::new(MemoryQueue::new());
        let slots = Slots::new(NonZeroU16::new(3).unwrap());
        let (state, watched) = watch::channel(ReadinessState::Ready);
        let stop = CancellationToken::new();
        let presence = Presence {
            queue: Arc::clone(&queue) as Arc<dyn WorkerQueue>,
            instance: InstanceId::new("worker"),
            slots: slots.clone(),
            state: watched,
        };
        let announcing = tokio::spawn(presence.announce(stop.clone()));
        let first = announced(&queue, |status| status.state == WorkerState::Ready).await;
        assert_eq!((first.slots, first.running, first.service), (3, 0, None));

        let slot = slots.take().await;
        announced(&queue, |status| status.running == 1).await;
        drop(slot);
        announced(&queue, |status| {
            status.running == 0 && status.service.is_some()
        })
        .await;

        let reason = "its engine does not answer";
        let suspended = WorkerState::Suspended {
            reason: reason.to_owned(),
        };
        state.send_replace(ReadinessState::Suspended(reason.into()));
        announced(&queue, |status| status.state == suspended).await;
        drop(state);
        stop.cancel();
        announced(&queue, |status| status.state == WorkerState::Draining).await;
        assert_eq!(queue.workers().len(), 1);
        announcing.abort();
    }
}
