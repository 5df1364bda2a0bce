//! Tells every API that this worker is there, how it is, and how fast it gets through its jobs.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{ANNOUNCE_EVERY, WorkerState, WorkerStatus};
use warren_protocol::time::EpochMillis;
use warren_queue::WorkerQueue;

use crate::readiness::State;
use crate::slots::Slots;

/// What is announced of this worker.
pub struct Presence {
    /// Over which it is told.
    pub queue: Arc<dyn WorkerQueue>,
    /// This worker.
    pub instance: InstanceId,
    /// How many jobs it can run, and how fast.
    pub slots: Slots,
    /// Whether it takes jobs, while it is not stopping.
    pub state: watch::Receiver<State>,
}

impl Presence {
    /// Announces this worker now and then, and at once when its state changes: after `stop`, that
    /// it is draining. Goes on until it is dropped.
    pub async fn announce(mut self, stop: CancellationToken) {
        let mut tick = interval(ANNOUNCE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled(), if !draining => draining = true,
                // Without anybody who changes it, it stays as it is.
                Ok(()) = self.state.changed() => {}
            }
            let state = if draining || stop.is_cancelled() {
                WorkerState::Draining
            } else {
                told(&self.state.borrow_and_update())
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

fn told(state: &State) -> WorkerState {
    let suspended = |reason: &str| WorkerState::Suspended {
        reason: reason.to_owned(),
    };
    match state {
        State::Starting => suspended("it gets ready for its first job"),
        State::Ready => WorkerState::Ready,
        State::Suspended(reason) => suspended(reason),
        State::Draining => WorkerState::Draining,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use tokio::time::timeout;
    use warren_queue::{ApiQueue, MemoryQueue};

    use super::*;

    async fn told(queue: &MemoryQueue, what: impl Fn(&WorkerStatus) -> bool) -> WorkerStatus {
        let telling = async {
            loop {
                if let Some(status) = queue.workers().into_iter().find(&what) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), telling).await.unwrap()
    }

    #[tokio::test]
    async fn a_worker_tells_its_state_whenever_that_changes() {
        let queue = Arc::new(MemoryQueue::new());
        let slots = Slots::new(NonZeroU16::new(3).unwrap());
        let (state, watched) = watch::channel(State::Ready);
        let stop = CancellationToken::new();
        let presence = Presence {
            queue: Arc::clone(&queue) as Arc<dyn WorkerQueue>,
            instance: InstanceId::new("worker"),
            slots: slots.clone(),
            state: watched,
        };
        let announcing = tokio::spawn(presence.announce(stop.clone()));
        let first = told(&queue, |status| status.state == WorkerState::Ready).await;
        assert_eq!((first.slots, first.running, first.service), (3, 0, None));

        let slot = slots.take().await;
        told(&queue, |status| status.running == 1).await;
        drop(slot);
        told(&queue, |status| {
            status.running == 0 && status.service.is_some()
        })
        .await;

        let reason = "its engine does not answer";
        let suspended = WorkerState::Suspended {
            reason: reason.to_owned(),
        };
        state.send_replace(State::Suspended(reason.into()));
        told(&queue, |status| status.state == suspended).await;
        drop(state);
        stop.cancel();
        told(&queue, |status| status.state == WorkerState::Draining).await;
        assert_eq!(queue.workers().len(), 1);
        announcing.abort();
    }
}
