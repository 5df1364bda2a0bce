//! Takes jobs off the queue while this worker can run them.
//!
//! While it cannot, it leaves them to others.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_queue::{Delivery, JobClass, Offer, Prefetch, SuspectToken, WorkerQueue};

use super::settle::Settler;
use super::unattended::{UnattendedScheduler, UnattendedSlot};
use crate::Result;
use crate::metrics::RetryCause;
use crate::readiness::{Readiness, ReadinessState};
use crate::slots::{Slot, Slots};

/// The consumer of the worker's queue.
pub(crate) struct JobIntake {
    pub(crate) queue: Arc<dyn WorkerQueue>,
    /// Runs what was taken.
    pub(crate) settler: Settler,
    pub(crate) slots: Slots,
    pub(crate) scheduler: UnattendedScheduler,
    pub(crate) readiness: Readiness,
    /// The jobs that were begun.
    pub(crate) running: TaskTracker,
}

impl JobIntake {
    /// Takes jobs until `stop`, whenever the worker is ready. Jobs that have begun continue in
    /// `running`.
    ///
    /// # Errors
    /// The queue cannot deliver to this worker at all.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut state = self.readiness.state();
        loop {
            let ready = state.wait_for(|state| *state == ReadinessState::Ready);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = ready => {}
            }
            let pause = stop.child_token();
            let mut taking = Box::pin(self.take_until(pause.clone()));
            let unready = state.wait_for(|state| *state != ReadinessState::Ready);
            tokio::select! {
                biased;
                ended = &mut taking => return ended,
                _ = unready => {}
            }
            // Jobs that were fetched and not begun go back, for workers that can run them.
            pause.cancel();
            taking.await?;
        }
    }

    /// Takes jobs until `stop`.
    async fn take_until(&self, stop: CancellationToken) -> Result<()> {
        let mut deliveries = self
            .queue
            .deliveries(Prefetch(self.slots.count()), stop.clone())
            .await?;
        while let Some(offer) = deliveries.recv().await {
            match offer {
                Offer::Suspect(token) => self.begin_suspect(token, &stop),
                Offer::Job(delivery) if delivery.class == JobClass::Unattended => {
                    self.begin_unattended(delivery, &stop);
                }
                Offer::Job(delivery) => self.begin(delivery, &stop).await,
            }
        }
        Ok(())
    }

    /// Begins a job that a caller waits for, as soon as a slot is free.
    async fn begin(&self, delivery: Delivery, stop: &CancellationToken) {
        let slot = tokio::select! {
            slot = self.slots.take() => slot,
            () = stop.cancelled() => None,
        };
        let Some(slot) = slot else {
            // This worker stops. The job goes to another one, and this does not count as an attempt.
            self.settler.hand_back(delivery).await;
            return;
        };
        let (settler, slots) = (self.settler.clone(), self.slots.clone());
        self.running
            .spawn(async move { settler.run(delivery, slot, Some(&slots)).await });
    }

    /// Runs a suspect alone. Waiting for that takes time, in which other jobs continue to be taken.
    fn begin_suspect(&self, token: SuspectToken, stop: &CancellationToken) {
        let (settler, slots, stop) = (self.settler.clone(), self.slots.clone(), stop.clone());
        self.running.spawn(async move {
            if let Some((suspect, all)) = fetch_alone(token, &slots, &stop).await {
                settler.executor.metrics().count_retry(RetryCause::Suspect);
                // It has every slot, so there are no others: its runs are run one after the other.
                settler.run(suspect, all, None).await;
            }
        });
    }

    /// Runs an unattended job at its turn. The prefetch bounds how many wait for theirs.
    fn begin_unattended(&self, delivery: Delivery, stop: &CancellationToken) {
        let (settler, scheduler) = (self.settler.clone(), self.scheduler.clone());
        let stop = stop.clone();
        self.running.spawn(async move {
            let turn = wait_for_turn(delivery, &scheduler, &settler, &stop).await;
            if let Some((delivery, slot)) = turn {
                run_on(slot, delivery, settler, &scheduler).await;
            }
        });
    }
}

/// Takes all of the worker's slots, then fetches the suspect of `token`.
///
/// A suspect is a job that was lost with its worker. It may have been the cause, so no other job runs
/// meanwhile: if this worker dies as well, no other job is blamed. The wait is bounded by the time
/// limits of the jobs that run, since none begins meanwhile. Returns `None` if there is no suspect
/// any more, or if `stop` came first.
async fn fetch_alone(
    token: SuspectToken,
    slots: &Slots,
    stop: &CancellationToken,
) -> Option<(Delivery, Slot)> {
    let all = stop.run_until_cancelled(slots.take_all()).await??;
    match token.fetch().await {
        Ok(suspect) => Some((suspect?, all)),
        Err(error) => {
            tracing::warn!(%error, "failed to fetch a suspect; its token goes to another worker");
            None
        }
    }
}

/// Waits for an unattended job's turn and its slot. Returns `None` if it is not to be run here.
async fn wait_for_turn(
    delivery: Delivery,
    scheduler: &UnattendedScheduler,
    settler: &Settler,
    stop: &CancellationToken,
) -> Option<(Delivery, UnattendedSlot)> {
    let cancelled = delivery.cancelled();
    let slot = tokio::select! {
        biased;
        () = stop.cancelled() => {
            settler.hand_back(delivery).await;
            return None;
        }
        () = cancelled.cancelled() => None,
        () = tokio::time::sleep(delivery.job.deadline.remaining()) => None,
        slot = scheduler.slot(&delivery.job) => slot,
    };
    // The job may have been cancelled or expired while it waited: its delivery answers it then.
    let delivery = delivery.if_worth_running()?;
    match slot {
        Some(slot) => Some((delivery, slot)),
        None => {
            settler.hand_back(delivery).await;
            None
        }
    }
}

/// Runs an unattended job until it ends, or its slot is needed for a job that a caller waits for.
async fn run_on(
    slot: UnattendedSlot,
    delivery: Delivery,
    settler: Settler,
    scheduler: &UnattendedScheduler,
) {
    let (grace_over, wanted_back) = (settler.hand_back_now, slot.wanted_back());
    let settler = Settler {
        hand_back_now: CancellationToken::new(),
        ..settler
    };
    let over = async {
        tokio::select! {
            () = grace_over.cancelled() => {}
            () = wanted_back.wait() => {}
        }
        settler.hand_back_now.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = settler.run(delivery, slot, Some(scheduler)) => {}
        () = over => {}
    }
}
